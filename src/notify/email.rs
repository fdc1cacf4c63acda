//! E-mail, by a server that speaks SMTP.
//!
//! A message is one letter, in plain text, with a name that is made from its key: mail programs know a
//! letter that came twice. Headers are ours: what somebody wrote on the board cannot begin another one.

use super::text::{parts, printable};
use super::{Delivered, EmailOptions, EmailTls, Notifier, NotifyError, Post};
use crate::domain::{Body, Missed, Receipt};
use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::Instant;

/// The most characters of a subject.
const SUBJECT_CHARS_MAX: usize = 150;
/// Longer texts are sent in several letters.
const TEXT_BYTES_MAX: usize = 512 * 1024;
/// The most readers of a channel.
pub const READERS_MAX: usize = 50;

/// Writes to its readers.
pub struct EmailNotifier {
    from: Mailbox,
    to: Vec<Mailbox>,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    time_limit: Duration,
}

impl fmt::Debug for EmailNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailNotifier").field("readers", &self.to.len()).finish_non_exhaustive()
    }
}

/// Whether a server stands on this machine.
pub(super) fn is_local(server: &str) -> bool {
    server == "localhost"
        || server.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl EmailNotifier {
    /// Nothing is sent. The error never holds the password.
    pub fn new(options: &EmailOptions) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mailbox = |text: &String| {
            text.parse::<Mailbox>().map_err(|_| format!("{text:?} is no e-mail address"))
        };
        if options.to.is_empty() || options.to.len() > READERS_MAX {
            return Err(format!("expected 1 to {READERS_MAX} addresses in `to`"));
        }
        let server = options.server.as_str();
        let parameters =
            || TlsParameters::new(server.to_owned()).map_err(|_| "TLS could not be set up");
        let tls = match options.tls {
            EmailTls::Tls => Tls::Wrapper(parameters()?),
            EmailTls::StartTls => Tls::Required(parameters()?),
            EmailTls::None if is_local(server) => Tls::None,
            EmailTls::None => return Err("without TLS only a server on this machine".to_owned()),
        };
        let port = options.port.unwrap_or(match options.tls {
            EmailTls::Tls => 465,
            EmailTls::StartTls => 587,
            EmailTls::None => 25,
        });
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server)
            .port(port)
            .tls(tls)
            .timeout(Some(options.time_limit));
        if let Some((user, password)) = &options.login {
            let password = password.expose_secret().to_owned();
            transport = transport.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Self {
            from: mailbox(&options.from)?,
            to: options.to.iter().map(mailbox).collect::<Result<_, _>>()?,
            transport: transport.build(),
            time_limit: options.time_limit,
        })
    }

    /// Who is to get the next part.
    fn readers(&self, receipt: &Receipt) -> Vec<&Mailbox> {
        let is_among = |list: &[String], reader: &Mailbox| {
            let address = reader.email.to_string();
            list.contains(&address)
        };
        let wanted =
            |reader: &&Mailbox| receipt.readers.is_empty() || is_among(&receipt.readers, reader);
        let readers = self.to.iter().filter(wanted);
        readers.filter(|reader| !is_among(&receipt.have, reader)).collect()
    }

    /// Sends one letter to these readers: all of them get it, or nobody.
    async fn send(
        &self,
        readers: &[&Mailbox],
        letter: &[u8],
        until: Instant,
    ) -> Result<(), Refused> {
        let addresses = readers.iter().map(|reader| reader.email.clone()).collect();
        let envelope = Envelope::new(Some(self.from.email.clone()), addresses).map_err(|_| {
            let error = NotifyError::lasting("no letter can be made of it");
            Refused { error, is_by_server: false }
        })?;
        match tokio::time::timeout_at(until, self.transport.send_raw(&envelope, letter)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(Refused { error: late(), is_by_server: false }),
        }
    }

    /// Sends it to each alone; who got it, and who did not.
    async fn send_to_each(
        &self,
        readers: &[&Mailbox],
        letter: &[u8],
        until: Instant,
    ) -> (Vec<String>, Vec<Missed>) {
        let (mut took, mut lacking) = (Vec::new(), Vec::new());
        // Without a way to the server, the rest is not tried any more.
        let mut broken: Option<NotifyError> = None;
        for reader in readers {
            if let Some(error) = &broken {
                lacking.push(missed(reader, error));
                continue;
            }
            match self.send(&[reader], letter, until).await {
                Ok(()) => took.push(reader.email.to_string()),
                Err(Refused { error, is_by_server }) => {
                    lacking.push(missed(reader, &error));
                    broken = Some(error).filter(|_| !is_by_server);
                }
            }
        }
        (took, lacking)
    }

    fn letter(
        &self,
        post: &Post<'_>,
        text: &str,
        (nth, count): (usize, usize),
    ) -> Result<Message, NotifyError> {
        let mut name = String::new();
        for byte in &Sha256::digest(format!("{}\n{nth}", post.key).as_bytes())[..16] {
            let _ = write!(name, "{byte:02x}");
        }
        let mut subject = subject(post.body);
        if count > 1 {
            let _ = write!(subject, " ({} of {count})", nth + 1);
        }
        let host = self.from.email.domain();
        let mut letter = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .message_id(Some(format!("<{name}@{host}>")))
            .header(ContentType::TEXT_PLAIN);
        for reader in &self.to {
            letter = letter.to(reader.clone());
        }
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let automatic = HeaderValue::new(automatic, "auto-generated".to_owned());
        letter = letter.raw_header(automatic);
        letter
            .body(text.to_owned())
            .map_err(|_| NotifyError::lasting("no letter can be made of it"))
    }
}

/// The first line that says something, as one line.
fn subject(body: &Body) -> String {
    let text = printable(&body.text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("Message");
    let mut subject: String = line.chars().take(SUBJECT_CHARS_MAX).collect();
    if subject.len() < line.len() {
        subject.push_str(" …");
    }
    subject
}

/// What is written: whom it is for, then the text.
fn texts(body: &Body) -> Vec<String> {
    let mut text = printable(&body.text);
    if !body.mentions.is_empty() {
        let names = body.mentions.iter().map(|m| printable(&m.name).replace('\n', " "));
        text = format!("For {}:\n\n{text}", names.collect::<Vec<_>>().join(", "));
    }
    parts(&text, TEXT_BYTES_MAX, char::len_utf8)
}

#[async_trait]
impl Notifier for EmailNotifier {
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        let texts = texts(post.body);
        let is_last = post.part + 1 >= texts.len();
        let delivered = Delivered { is_last, ..Delivered::default() };
        let readers = self.readers(post.receipt);
        let (Some(text), false) = (texts.get(post.part), readers.is_empty()) else {
            return Ok(delivered);
        };
        let letter = self.letter(post, text, (post.part, texts.len()))?.formatted();
        let until = Instant::now() + self.time_limit;
        match self.send(&readers, &letter, until).await {
            Ok(()) => Ok(delivered),
            Err(error) if error.is_by_server => {
                // Which of them is refused shows when each gets a letter alone.
                let (took, missed) = match readers.as_slice() {
                    [reader] => (Vec::new(), vec![missed(reader, &error.error)]),
                    _ => self.send_to_each(&readers, &letter, until).await,
                };
                if took.is_empty() && post.receipt.have.is_empty() {
                    return Err(refused_by_all(error.error, &missed));
                }
                Ok(Delivered { took, missed, ..delivered })
            }
            Err(error) => Err(error.error),
        }
    }

    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn look(&self) -> Result<String, NotifyError> {
        let looking = tokio::time::timeout(self.time_limit, self.transport.test_connection());
        match looking.await {
            Ok(Ok(true)) => Ok(format!(
                "the mail server takes letters to {} readers (nothing was sent)",
                self.to.len()
            )),
            Ok(Ok(false)) => Err(NotifyError::passing("the mail server does not answer")),
            Ok(Err(error)) => Err(refusal(&error).error),
            Err(_) => Err(late()),
        }
    }
}

fn missed(reader: &Mailbox, error: &NotifyError) -> Missed {
    let NotifyError { what, is_transient, .. } = error;
    let reader = reader.email.to_string();
    Missed { reader, what: what.clone(), is_transient: *is_transient }
}

/// Why a letter was not taken.
struct Refused {
    error: NotifyError,
    /// The server said so, rather than the way to it.
    is_by_server: bool,
}

fn late() -> NotifyError {
    NotifyError::passing("the mail server did not answer in time")
}

/// Nobody took it: it is tried again while that may help one of them.
fn refused_by_all(whole: NotifyError, missed: &[Missed]) -> NotifyError {
    match missed.iter().find(|missed| missed.is_transient) {
        Some(missed) => NotifyError::passing(missed.what.clone()),
        None => NotifyError { is_transient: false, ..whole },
    }
}

/// In our own words, with the server's number alone: its text may repeat what we sent.
fn refusal(error: &lettre::transport::smtp::Error) -> Refused {
    let status = error.status().map(|code| format!(" (status {code})")).unwrap_or_default();
    let told = if error.is_permanent() {
        NotifyError::lasting(format!("the mail server refuses the letter{status}"))
    } else if error.is_tls() {
        NotifyError::passing("no TLS was agreed on with the mail server")
    } else if error.is_client() {
        NotifyError::lasting("the mail server does not offer what is needed, such as TLS")
    } else {
        NotifyError::passing(format!("the mail server did not take the letter{status}"))
    };
    Refused { error: told, is_by_server: error.status().is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_short_line() {
        let body = |text: &str| Body { text: text.into(), ..Body::default() };
        assert_eq!(subject(&body("\n\n a\r\nBcc: evil@example.org")), "a");
        assert_eq!(subject(&body("")), "Message");
        assert_eq!(subject(&body("x\u{202e}\u{0}y\u{2028}z")), "xy z");
        assert!(subject(&body(&"x".repeat(10_000))).chars().count() < 160);
    }

    #[test]
    fn without_tls_only_this_machine_is_written_to() {
        let options = |server: &str, tls| EmailOptions {
            server: server.into(),
            port: None,
            tls,
            login: None,
            from: "rota@example.org".into(),
            to: vec!["team@example.org".into()],
            time_limit: Duration::from_secs(1),
        };
        assert!(EmailNotifier::new(&options("mail.example.org", EmailTls::StartTls)).is_ok());
        assert!(EmailNotifier::new(&options("127.0.0.1", EmailTls::None)).is_ok());
        assert!(EmailNotifier::new(&options("mail.example.org", EmailTls::None)).is_err());
        let wrong = EmailOptions { from: "nobody".into(), ..options("x.org", EmailTls::Tls) };
        assert!(EmailNotifier::new(&wrong).is_err());
    }
}
