//! Tries what a program in a sandbox must not be able to do, and says how far it came: `through`, or
//! `denied` and why. For the tests of workspaces; see there for what each word tries.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

type Tried = Result<String, Box<dyn std::error::Error>>;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for attempt in words.split(|word| *word == "+") {
        let line = match attempt_at(attempt) {
            Ok(said) => format!("{}: through {said}", attempt.join(" ")),
            Err(error) => format!("{}: denied {error}", attempt.join(" ")),
        };
        // Whoever listened may be gone.
        let _ = writeln!(std::io::stdout(), "{}", line.trim_end());
    }
}

fn attempt_at(words: &[&str]) -> Tried {
    match words {
        ["read", path] => Ok(format!("{} bytes", std::fs::read(path)?.len())),
        ["list", path] => Ok(format!("{} entries", std::fs::read_dir(path)?.count())),
        ["write", path] => done(std::fs::write(path, "planted")),
        ["append", path] => {
            let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
            done(file.write_all(b"planted"))
        }
        ["make", path] => done(std::fs::create_dir(path)),
        ["remove", path] => done(std::fs::remove_file(path)),
        ["link", from, to] => done(std::fs::hard_link(from, to)),
        ["symlink", from, to] => done(std::os::unix::fs::symlink(from, to)),
        ["rename", from, to] => done(std::fs::rename(from, to)),
        ["device", path] => {
            use nix::sys::stat::{Mode, SFlag, makedev, mknod};
            done(mknod(*path, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 1)))
        }
        ["follow", path] => Ok(std::fs::read_link(path)?.display().to_string()),
        ["tcp", address] => done(TcpStream::connect(address)),
        ["listen", address] => done(TcpListener::bind(address)),
        ["udp", address] => {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            Ok(format!("{} bytes", socket.send_to(b"hello", address)?))
        }
        ["unix", path] => done(UnixStream::connect(path)),
        ["hear", address] => {
            let mut said = String::new();
            TcpStream::connect(address)?.read_to_string(&mut said)?;
            Ok(said)
        }
        ["pair"] => done(UnixStream::pair()),
        ["datagrams"] => done(UnixDatagram::pair()),
        ["chmod", path, mode] => {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = u32::from_str_radix(mode, 8)?;
            done(std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)))
        }
        ["create", path, mode] => {
            use std::os::unix::fs::OpenOptionsExt as _;
            let mode = u32::from_str_radix(mode, 8)?;
            done(std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path))
        }
        ["give", path, user, group] => {
            done(std::os::unix::fs::chown(path, Some(user.parse()?), Some(group.parse()?)))
        }
        ["signal", pid] => {
            let pid = nix::unistd::Pid::from_raw(pid.parse()?);
            done(nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT))
        }
        ["proxy", target] => proxied(target),
        ["memory", bytes] => {
            let held = vec![1_u8; bytes.parse()?];
            std::thread::sleep(Duration::from_secs(20));
            Ok(format!("{} bytes", held.len()))
        }
        ["file", path, bytes] => filled(path, bytes.parse()?),
        ["open", count] => {
            let open = (0..count.parse()?).map(|_| std::fs::File::open("/dev/null"));
            Ok(format!("{} files", open.collect::<Result<Vec<_>, _>>()?.len()))
        }
        ["start", count] => started(count.parse()?),
        ["leave", path] => leave(path),
        ["burn"] => loop {
            std::hint::spin_loop();
        },
        words => of_the_kernel(words),
    }
}

/// What no language has words for: it is asked of the kernel itself.
#[cfg(target_os = "linux")]
fn of_the_kernel(words: &[&str]) -> Tried {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, listen, socket, socketpair};
    use rustix::process::{Pid, Resource, Rlimit};
    let pid = |text: &str| -> Result<Pid, Box<dyn std::error::Error>> {
        Pid::from_raw(text.parse()?).ok_or_else(|| "no number of a process".into())
    };
    match words {
        ["limit", who] => {
            let most = Rlimit { current: Some(864_000), maximum: Some(864_000) };
            done(rustix::process::prlimit(Some(pid(who)?), Resource::Cpu, most))
        }
        ["nice", who] => done(rustix::process::setpriority_process(Some(pid(who)?), 5)),
        ["nice-all"] => done(rustix::process::setpriority_user(rustix::process::getuid(), 0)),
        ["affinity", who] => {
            let processors = rustix::thread::sched_getaffinity(Some(pid(who)?))?;
            done(rustix::thread::sched_setaffinity(Some(pid(who)?), &processors))
        }
        ["sequenced"] => {
            let (family, flags) = (AddressFamily::UNIX, SocketFlags::empty());
            done(socketpair(family, SocketType::SEQPACKET, flags, None))
        }
        ["hark"] => {
            let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
            done(listen(&socket, 1))
        }
        ["memory-file"] => {
            done(rustix::fs::memfd_create("hidden", rustix::fs::MemfdFlags::CLOEXEC))
        }
        ["attribute", path] => {
            let flags = rustix::fs::XattrFlags::empty();
            done(rustix::fs::setxattr(*path, "user.rota", b"planted", flags))
        }
        _ => Err("it knows no such attempt".into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn of_the_kernel(_: &[&str]) -> Tried {
    Err("it knows no such attempt".into())
}

fn done<T, E: Into<Box<dyn std::error::Error>>>(tried: Result<T, E>) -> Tried {
    tried.map(|_| String::new()).map_err(Into::into)
}

/// Asks the proxy that the environment names for a host, and reads what the host says first.
fn proxied(target: &str) -> Tried {
    use base64::Engine as _;
    let proxy = std::env::vars().find(|(name, _)| name == "HTTPS_PROXY").ok_or("no proxy")?.1;
    let rest = proxy.strip_prefix("http://").ok_or("what proxy is that")?;
    let (credentials, address) = rest.split_once('@').ok_or("no credentials")?;
    let proof = base64::engine::general_purpose::STANDARD.encode(credentials);
    let mut stream = TcpStream::connect(address)?;
    let head = format!("CONNECT {target} HTTP/1.1\r\nProxy-Authorization: Basic {proof}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    let status = said.split("\r\n").next().unwrap_or_default().to_owned();
    if !status.contains(" 200 ") {
        return Err(status.into());
    }
    Ok(said.rsplit("\r\n").next().unwrap_or_default().to_owned())
}

fn filled(path: &str, bytes: usize) -> Tried {
    let mut file = std::fs::File::create(path)?;
    let block = vec![1_u8; 1 << 16];
    for _ in 0..bytes / block.len() {
        file.write_all(&block)?;
    }
    Ok(String::new())
}

/// Starts so many that stay.
#[expect(clippy::disallowed_methods, reason = "an example, which starts children of its own")]
fn started(count: usize) -> Tried {
    let mut children = Vec::new();
    for _ in 0..count {
        children.push(std::process::Command::new("sleep").arg("60").spawn()?);
    }
    std::thread::sleep(Duration::from_secs(20));
    Ok(format!("{} processes", children.len()))
}

/// Leaves one behind that has left session, group and environment.
#[expect(clippy::disallowed_methods, reason = "an example, which starts children of its own")]
fn leave(path: &str) -> Tried {
    let script = format!("(exec </dev/null >/dev/null 2>&1; echo $$ >{path}; exec sleep 600)");
    let mut command = std::process::Command::new("setsid");
    command.arg("--fork").arg("sh").arg("-c").arg(script).env_clear();
    command.env("PATH", "/usr/bin:/bin");
    let status = command.status()?;
    for _ in 0..500 {
        if std::fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n')) {
            return Ok(format!("{status}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("it was not started".into())
}
