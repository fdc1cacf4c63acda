//! Where the control socket is, and how it is bound and reached, also where the path is longer
//! than a socket address can hold.

use super::{ControlError, SOCKET_NAME};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// What `sun_path` holds, less its closing zero.
const ADDRESS_BYTES_MAX: usize = 107;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 64;

/// The control socket of a state folder.
pub fn socket_path(state: &Path) -> PathBuf {
    state.join(SOCKET_NAME)
}

/// Connects to the daemon of a state folder; `None` when there is none: no socket, or one that a
/// dead daemon left behind.
pub async fn connect(state: &Path) -> Result<Option<UnixStream>, ControlError> {
    let path = socket_path(state);
    if !is_socket(&path)? {
        return Ok(None);
    }
    let address = Address::of(state)?;
    match UnixStream::connect(&address.path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if is_nobody(&error) => Ok(None),
        Err(source) => Err(io("reach", &path, source)),
    }
}

/// Binds the socket of a state folder with mode 0600, in place of one that a dead daemon left.
/// The caller holds the state folder's lock, so no two daemons do this at one time.
pub async fn bind(state: &Path) -> Result<UnixListener, ControlError> {
    let path = socket_path(state);
    if connect(state).await?.is_some() {
        return Err(ControlError::AlreadyServed { path: show(&path) });
    }
    remove(state)?;
    let address = Address::of(state)?;
    let bind = |source| io("bind", &path, source);
    let socket = UnixSocket::new_stream().map_err(bind)?;
    // A socket's file is made with the mode of its descriptor: so it is never open to others, not
    // even between bind and chmod.
    nix::sys::stat::fchmod(&socket, nix::sys::stat::Mode::from_bits_truncate(0o600))
        .map_err(|error| bind(error.into()))?;
    socket.bind(&address.path).map_err(bind)?;
    set_mode(&path).map_err(bind)?;
    socket.listen(BACKLOG).map_err(bind)
}

/// Removes the socket's file; nothing if it is not there.
pub fn remove(state: &Path) -> Result<(), ControlError> {
    let path = socket_path(state);
    if !is_socket(&path)? {
        return Ok(());
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io("remove", &path, error))
        }
        _ => Ok(()),
    }
}

fn set_mode(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Whether there is a socket; anything else of that name is an error, and is left alone.
fn is_socket(path: &Path) -> Result<bool, ControlError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => Ok(true),
        Ok(_) => Err(ControlError::NotASocket { path: show(path) }),
        Err(error) if is_absent(&error) => Ok(false),
        Err(source) => Err(io("look at", path, source)),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn is_nobody(error: &std::io::Error) -> bool {
    is_absent(error) || error.kind() == std::io::ErrorKind::ConnectionRefused
}

/// An address that fits, and the open folder that it may go through.
struct Address {
    path: PathBuf,
    _folder: Option<std::fs::File>,
}

impl Address {
    fn of(state: &Path) -> Result<Self, ControlError> {
        let path = socket_path(state);
        if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
            return Ok(Self { path, _folder: None });
        }
        let folder = std::fs::File::open(state).map_err(|source| io("reach", &path, source))?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        if !short.is_dir() {
            return Err(ControlError::PathTooLong { path: show(&path), max: ADDRESS_BYTES_MAX });
        }
        Ok(Self { path: short.join(SOCKET_NAME), _folder: Some(folder) })
    }
}

fn io(what: &'static str, path: &Path, source: std::io::Error) -> ControlError {
    ControlError::Io { what, path: show(path), source }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
