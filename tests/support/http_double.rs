//! A server that does exactly what a test says, byte by byte, and remembers what it was asked. It is
//! stricter than real ones: what a client must not send is answered 418.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often a held connection looks whether its client is still there.
const LOOK: Duration = Duration::from_millis(5);

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    /// By names in small letters.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body as JSON; `null` where there is none.
    pub fn message(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub fn is(&self, method: &str) -> bool {
        self.message()["method"] == method
    }
}

/// What follows the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The answer is whole.
    End,
    /// The connection breaks.
    HangUp,
    /// Nothing, until the client hangs up.
    Hold,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// Written one by one.
    pub pieces: Vec<Vec<u8>>,
    pub then: Then,
    pub is_stream: bool,
    /// Before its first byte: some servers are slow.
    pub pause: Duration,
    /// Between two of its pieces.
    pub gap: Duration,
}

impl Reply {
    pub fn json(value: &serde_json::Value) -> Self {
        Self::text(200, "application/json", &value.to_string())
    }

    pub fn text(status: u16, kind: &str, text: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        let pieces = vec![text.as_bytes().to_vec()];
        let (pause, gap) = (Duration::ZERO, Duration::ZERO);
        Self { status, headers, pieces, then: Then::End, is_stream: false, pause, gap }
    }

    /// A stream of events in these pieces.
    pub fn stream<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let pieces = pieces.into_iter().map(|piece| piece.as_ref().to_vec()).collect();
        Self { pieces, is_stream: true, ..Self::text(200, "text/event-stream", "") }
    }

    /// The result of what was asked.
    pub fn result(asked: &Asked, result: &serde_json::Value) -> Self {
        let id = asked.message()["id"].clone();
        Self::json(&serde_json::json!({ "jsonrpc": "2.0", "id": id, "result": result }))
    }

    pub fn accepted() -> Self {
        Self::text(202, "text/plain", "")
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Not a byte of it is written.
    #[must_use]
    pub fn cut(self) -> Self {
        Self { status: 0, ..self }
    }

    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    #[must_use]
    pub fn in_gaps_of(self, gap: Duration) -> Self {
        Self { gap, ..self }
    }

    #[must_use]
    pub fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

type Answers = dyn Fn(&Asked) -> Reply + Send + Sync;
/// What a client must not send.
type Faults = dyn Fn(&Asked) -> Option<String> + Send + Sync;

/// The server.
pub struct Double {
    pub address: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
    /// Connections whose client hung up while they were held.
    given_up: Arc<Mutex<usize>>,
}

impl Double {
    pub fn start(answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), answers)
    }

    /// At a place that was found before.
    pub fn start_at(
        address: SocketAddr,
        answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(address, Arc::new(answers), Arc::new(fault), None)
    }

    /// A server of another protocol, whose clients must not send other things.
    pub fn start_other(
        faults: impl Fn(&Asked) -> Option<String> + Send + Sync + 'static,
        answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::serve(address, Arc::new(answers), Arc::new(faults), None)
    }

    /// The same over TLS, with a certificate and its key in PEM.
    pub fn start_tls(
        certificate: &[u8],
        key: &[u8],
        answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        use rustls::pki_types::pem::PemObject as _;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let chain = CertificateDer::pem_slice_iter(certificate).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::serve(address, Arc::new(answers), Arc::new(fault), Some(Arc::new(config)))
    }

    fn serve(
        address: SocketAddr,
        answers: Arc<Answers>,
        faults: Arc<Faults>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let double = Self {
            address: listener.local_addr().unwrap(),
            scheme: if tls.is_some() { "https" } else { "http" },
            asked: Arc::default(),
            over: Arc::default(),
            given_up: Arc::default(),
        };
        let (asked, over) = (Arc::clone(&double.asked), Arc::clone(&double.over));
        let given_up = Arc::clone(&double.given_up);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                let (tls, given_up) = (tls.clone(), Arc::clone(&given_up));
                let faults = Arc::clone(&faults);
                thread::spawn(move || {
                    let socket = stream.try_clone().unwrap();
                    let _ = stream.set_nodelay(true);
                    let held = match tls {
                        None => talk(stream, &socket, (&faults, &answers), &asked),
                        Some(config) => {
                            let tls = rustls::ServerConnection::new(config).unwrap();
                            let stream = rustls::StreamOwned::new(tls, stream);
                            talk(stream, &socket, (&faults, &answers), &asked)
                        }
                    };
                    if held == Some(Then::Hold) {
                        *given_up.lock().unwrap() += 1;
                    }
                    let _ = socket.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        double
    }

    pub fn url(&self) -> String {
        format!("{}://{}/mcp", self.scheme, self.address)
    }

    /// All that it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests with this JSON-RPC method.
    pub fn asked_for(&self, method: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.is(method)).collect()
    }

    /// How many held connections their clients gave up.
    pub fn given_up(&self) -> usize {
        *self.given_up.lock().unwrap()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes whoever waits for the next connection.
        let _ = TcpStream::connect(self.address);
    }
}

/// Serves one connection to its end; what it ended with.
fn talk<S: Read + Write>(
    stream: S,
    socket: &TcpStream,
    (faults, answers): (&Arc<Faults>, &Arc<Answers>),
    all: &Mutex<Vec<Asked>>,
) -> Option<Then> {
    let mut stream = BufReader::new(stream);
    loop {
        let asked = read(&mut stream)?;
        all.lock().unwrap().push(asked.clone());
        let reply = match faults(&asked) {
            Some(fault) => Reply::text(418, "text/plain", &fault),
            None => answers(&asked),
        };
        thread::sleep(reply.pause);
        let then = reply.then;
        if reply.status == 0 {
            return Some(then);
        }
        write(stream.get_mut(), &reply)?;
        match then {
            Then::End => {}
            Then::HangUp => return Some(then),
            Then::Hold => {
                socket.set_read_timeout(Some(LOOK)).unwrap();
                loop {
                    match stream.get_mut().read(&mut [0; 64]) {
                        Ok(count) if count > 0 => {}
                        Err(error) if is_waiting(&error) => {}
                        Ok(_) | Err(_) => return Some(then),
                    }
                }
            }
        }
    }
}

fn is_waiting(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// What a client must not do.
fn fault(asked: &Asked) -> Option<String> {
    let accept = asked.header("accept").unwrap_or_default();
    if asked.method == "DELETE" {
        return asked.header("mcp-session-id").is_none().then(|| "no session".to_owned());
    }
    if !accept.contains("text/event-stream") {
        return Some(format!("accept: {accept}"));
    }
    if asked.method == "GET" {
        return None;
    }
    let kind = asked.header("content-type").unwrap_or_default();
    let message = asked.message();
    let is_whole = message["jsonrpc"] == "2.0" && !asked.body.contains('\n');
    let is_fine = kind == "application/json" && accept.contains("application/json") && is_whole;
    (!is_fine).then(|| format!("{kind} {accept} {}", asked.body))
}

fn read<S: Read>(stream: &mut BufReader<S>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn write(stream: &mut impl Write, reply: &Reply) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
    }
    if reply.is_stream {
        head += "Transfer-Encoding: chunked\r\n\r\n";
    } else {
        let length: usize = reply.pieces.iter().map(Vec::len).sum();
        head.extend(["Content-Length: ", &length.to_string(), "\r\n\r\n"]);
    }
    stream.write_all(head.as_bytes()).ok()?;
    for (place, piece) in reply.pieces.iter().filter(|piece| !piece.is_empty()).enumerate() {
        if place > 0 {
            thread::sleep(reply.gap);
        }
        if reply.is_stream {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).ok()?;
        }
        stream.write_all(piece).ok()?;
        if reply.is_stream {
            stream.write_all(b"\r\n").ok()?;
        }
        stream.flush().ok()?;
    }
    if reply.is_stream && reply.then == Then::End {
        stream.write_all(b"0\r\n\r\n").ok()?;
    }
    stream.flush().ok()
}
