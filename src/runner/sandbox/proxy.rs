//! The one way to the network that a strict program has: a proxy of this process on the loopback
//! interface, which knows `CONNECT` alone, and connects to the hosts that the playbook lists.
//!
//! A name that leads to this machine, by whichever of its addresses, to a link-local one or to where a
//! cloud tells a machine its keys is refused unless the playbook lists that very address: whoever
//! answers for a name could otherwise send a program to the daemon.

use crate::domain::HostPort;
use base64::Engine as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Connections at once; more are not answered before one ends.
const CONNECTIONS_MAX: usize = 64;
/// The longest request.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// How long a request, or a connection to a host, may take.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Where clouds tell a machine its keys, besides link-local addresses: Amazon, Google, Alibaba, Azure.
const OF_CLOUDS: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// A proxy of one run.
#[derive(Debug)]
pub struct Proxy {
    listener: TcpListener,
    port: u16,
    gate: Arc<Gate>,
    /// What serves ends its connections with it: beside a program, a check must not be who serves.
    turn: tokio::sync::Mutex<()>,
}

/// Who is let through, and where to.
struct Gate {
    hosts: Vec<HostPort>,
    credentials: String,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Listens at a free port. `password` is the run's own: other users of the machine have none.
    ///
    /// # Errors
    /// When there is no port to listen at.
    pub async fn open(hosts: Vec<HostPort>, password: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let credentials =
            base64::engine::general_purpose::STANDARD.encode(format!("rota:{password}"));
        let gate = Arc::new(Gate { hosts, credentials });
        Ok(Self { listener, port, gate, turn: tokio::sync::Mutex::default() })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets through what is allowed, until it is dropped: then every connection ends. Of several, the
    /// first serves for all, and the next takes over when it is dropped.
    pub async fn serve(&self) {
        let _turn = self.turn.lock().await;
        let mut open = JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            if open.len() >= CONNECTIONS_MAX {
                open.join_next().await;
                continue;
            }
            if let Ok((stream, _)) = self.listener.accept().await {
                open.spawn(through(stream, Arc::clone(&self.gate)));
            }
        }
    }
}

async fn through(mut client: TcpStream, gate: Arc<Gate>) {
    let asked = tokio::time::timeout(REQUEST_TIME, request(&mut client)).await;
    let Ok(Some(text)) = asked else { return };
    let reached = tokio::time::timeout(REQUEST_TIME, reach(&text, &gate)).await;
    let mut host = match reached {
        Ok(Ok(host)) => host,
        Ok(Err(status)) => return answer(&mut client, status).await,
        Err(_) => return answer(&mut client, "504 Gateway Timeout").await,
    };
    let begun = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    if begun.is_ok() {
        // How it ends concerns the two of them.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut host).await;
    }
}

async fn answer(client: &mut TcpStream, status: &str) {
    let challenge = if status.starts_with("407") { "Proxy-Authenticate: Basic\r\n" } else { "" };
    let text =
        format!("HTTP/1.1 {status}\r\n{challenge}Content-Length: 0\r\nConnection: close\r\n\r\n");
    // Whoever does not listen to a refusal is refused all the same.
    let _ = client.write_all(text.as_bytes()).await;
}

/// The request up to its blank line; what comes after it is the host's, so no byte more is read.
async fn request(client: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if bytes.len() >= REQUEST_BYTES_MAX {
            return None;
        }
        bytes.push(client.read_u8().await.ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Connects to whom a request names.
async fn reach(text: &str, gate: &Gate) -> Result<TcpStream, &'static str> {
    let wanted = wanted(text, gate)?;
    let is_named = wanted.host.parse::<IpAddr>().is_ok() || wanted.host == "localhost";
    let found = tokio::net::lookup_host((wanted.host.as_str(), wanted.port)).await;
    let addresses: Vec<SocketAddr> = found.map_err(|_| "502 Bad Gateway")?.collect();
    // Asked anew each time: a laptop moves from network to network.
    let own = own_addresses().map_err(|_| "502 Bad Gateway")?;
    let mut status = "502 Bad Gateway";
    for address in addresses {
        if !is_named && is_near(address.ip(), &own) {
            status = "403 Forbidden";
            continue;
        }
        if let Ok(host) = TcpStream::connect(address).await {
            return Ok(host);
        }
    }
    Err(status)
}

/// Whom a request names, if it is let through.
fn wanted(text: &str, gate: &Gate) -> Result<HostPort, &'static str> {
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(verb), Some(target)) = (words.next(), words.next()) else {
        return Err("400 Bad Request");
    };
    let proof = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        let is_it = name.eq_ignore_ascii_case("proxy-authorization");
        is_it.then(|| value.trim().strip_prefix("Basic "))?
    });
    let is_known = |proof: &str| bool::from(proof.as_bytes().ct_eq(gate.credentials.as_bytes()));
    if !proof.is_some_and(is_known) {
        return Err("407 Proxy Authentication Required");
    }
    if verb != "CONNECT" {
        return Err("405 Method Not Allowed");
    }
    let wanted: HostPort = target.parse().map_err(|_| "400 Bad Request")?;
    if gate.hosts.contains(&wanted) { Ok(wanted) } else { Err("403 Forbidden") }
}

/// The addresses of this machine's interfaces.
fn own_addresses() -> std::io::Result<Vec<IpAddr>> {
    let found = nix::ifaddrs::getifaddrs()?.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    Ok(found.collect())
}

/// Whether an address is this machine's own, or one that only its surroundings know.
fn is_near(address: IpAddr, own: &[IpAddr]) -> bool {
    let address = address.to_canonical();
    if own.contains(&address) || OF_CLOUDS.contains(&address) {
        return true;
    }
    match address {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        let credentials = base64::engine::general_purpose::STANDARD.encode("rota:word");
        Gate { hosts: vec!["example.org".parse().unwrap()], credentials }
    }

    fn asked(first: &str, proof: &str) -> Result<HostPort, &'static str> {
        let text = format!("{first} HTTP/1.1\r\nHost: x\r\nproxy-authorization: {proof}\r\n\r\n");
        wanted(&text, &gate())
    }

    #[test]
    fn only_a_listed_host_at_its_port_is_connected_to_and_only_for_who_knows_the_word() {
        let proof = format!("Basic {}", gate().credentials);
        assert!(asked("CONNECT example.org:443", &proof).is_ok());
        assert!(asked("CONNECT EXAMPLE.org:443", &proof).is_ok());
        for (first, status) in [
            ("CONNECT example.org:22", "403"),
            ("CONNECT evil.org:443", "403"),
            ("CONNECT example.org.evil.org:443", "403"),
            ("CONNECT 127.0.0.1:443", "403"),
            ("CONNECT a b", "403"),
            ("CONNECT [::1]:443", "400"),
            ("GET http://example.org/", "405"),
            ("CONNECT", "400"),
        ] {
            let refused = asked(first, &proof).unwrap_err();
            assert!(refused.starts_with(status), "{first}: {refused}");
        }
        for proof in ["", "Basic", "Basic cm90YTo=", "Bearer word"] {
            let refused = asked("CONNECT example.org:443", proof).unwrap_err();
            assert!(refused.starts_with("407"), "{proof}: {refused}");
        }
    }

    #[tokio::test]
    async fn a_connection_lives_as_long_as_the_first_that_serves() {
        let host = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = host.local_addr().unwrap();
        let proxy = Proxy::open(vec![at.to_string().parse().unwrap()], "word").await.unwrap();
        let proof = base64::engine::general_purpose::STANDARD.encode("rota:word");
        let ask = format!("CONNECT {at} HTTP/1.1\r\nProxy-Authorization: Basic {proof}\r\n\r\n");
        let program = async {
            let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await.unwrap();
            client.write_all(ask.as_bytes()).await.unwrap();
            assert!(request(&mut client).await.unwrap().contains(" 200 "));
            client
        };
        let first = proxy.serve();
        tokio::pin!(first);
        // A check comes and goes while the program is connected.
        let (mut client, mut there) = {
            let check = proxy.serve();
            let both = async { tokio::join!(program, async { host.accept().await.unwrap().0 }) };
            tokio::select! {
                biased;
                () = &mut first => unreachable!(),
                () = check => unreachable!(),
                both = both => both,
            }
        };
        client.write_all(b"!").await.unwrap();
        let heard = tokio::select! {
            () = &mut first => unreachable!(),
            heard = there.read_u8() => heard,
        };
        assert_eq!(heard.unwrap(), b'!');
    }

    #[test]
    fn addresses_of_this_machine_are_near_however_they_are_written() {
        let own: Vec<IpAddr> = ["192.0.2.7", "fd00::7"].map(|ip| ip.parse().unwrap()).into();
        for near in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "169.254.1.1",
            "192.0.2.7",
            "::ffff:192.0.2.7",
            "fd00::7",
            "fd00:ec2::254",
            "100.100.100.200",
        ] {
            assert!(is_near(near.parse().unwrap(), &own), "{near}");
        }
        for far in ["10.0.0.1", "192.0.2.8", "93.184.216.34", "2606:2800::1", "fd00::8"] {
            assert!(!is_near(far.parse().unwrap(), &own), "{far}");
        }
    }

    #[test]
    fn the_addresses_of_this_machine_are_found() {
        let own = own_addresses().unwrap();
        assert!(own.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)), "{own:?}");
    }
}
