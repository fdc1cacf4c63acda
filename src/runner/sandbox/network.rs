//! A network of a strict program's own, for one that has a way to ports of this machine.
//!
//! Landlock knows ports and no addresses: by its rule alone, a program could connect to that port of
//! any machine. So it gets a network namespace with nothing in it but a loopback interface, and on
//! that a listener for each of its ports. The listeners are handed to its supervisor, which stands
//! outside and passes on what comes in by them (`process/relay.rs`).

use super::namespaces::{Own, leave};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socket_with,
};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// More descriptors are never handed over at once.
const HANDED_MAX: usize = 8;
/// In a new network, the loopback interface is the first.
const LOOPBACK: i32 = 1;
/// Of the answer of the kernel, what is read.
const ANSWER_BYTES: usize = 512;

/// Makes the network usable that this process has to itself, and listens there at these ports.
pub(crate) fn make(ports: &[u16]) -> Result<Vec<TcpListener>, String> {
    raise_loopback().map_err(|error| format!("its loopback interface stays down: {error}"))?;
    let listen = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port));
    let doors: Result<Vec<TcpListener>, _> = ports.iter().map(listen).collect();
    doors.map_err(|error| format!("nobody can listen in it: {error}"))
}

/// Finds out, at the price of this process, whether a network of its own can be made and used.
pub(crate) fn try_out() -> Result<(), String> {
    leave(Own { network: true, mounts: false })?;
    let reached = make(&[0])?.iter().try_for_each(|door| {
        let address = door.local_addr()?;
        TcpStream::connect(address).map(drop)
    });
    reached.map_err(|error| format!("nobody can be reached in it: {error}"))
}

/// Asks the kernel to set the loopback interface up, as `ip link set lo up` does.
fn raise_loopback() -> std::io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut socket = File::from(socket);
    socket.write_all(&request_up())?;
    let mut answer = [0; ANSWER_BYTES];
    let count = socket.read(&mut answer)?;
    match code_in(answer.get(..count).unwrap_or_default()) {
        Some(0) => Ok(()),
        Some(code) => Err(std::io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(std::io::ErrorKind::InvalidData.into()),
    }
}

/// `nlmsghdr` and `ifinfomsg` of rtnetlink(7): a request to be answered, of the interface's flags.
fn request_up() -> Vec<u8> {
    use nix::libc::{IFF_UP, NLM_F_ACK, NLM_F_REQUEST, RTM_NEWLINK};
    const LENGTH: u32 = 32;
    let flags = u16::try_from(NLM_F_REQUEST | NLM_F_ACK).unwrap_or_default();
    let up = u32::try_from(IFF_UP).unwrap_or_default().to_ne_bytes();
    let mut bytes = Vec::new();
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(RTM_NEWLINK.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    // Number of the request, and from whom: it is the only one, and the kernel knows.
    bytes.extend([0; 8]);
    // Family, padding and type: any.
    bytes.extend([0; 4]);
    bytes.extend(LOOPBACK.to_ne_bytes());
    bytes.extend(up);
    bytes.extend(up);
    bytes
}

/// The code in an answer of the type `NLMSG_ERROR`: zero where all is well.
fn code_in(answer: &[u8]) -> Option<i32> {
    let kind = answer.get(4..6)?.try_into().map(u16::from_ne_bytes).ok()?;
    let is_answer = i32::from(kind) == nix::libc::NLMSG_ERROR;
    let code = answer.get(16..20)?.try_into().map(i32::from_ne_bytes).ok()?;
    is_answer.then_some(code)
}

/// Hands descriptors to whoever is at the other end.
pub(crate) fn hand_over(hall: &UnixStream, what: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HANDED_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(what)) {
        return Err(std::io::Error::other("too many at once"));
    }
    sendmsg(hall, &[IoSlice::new(&[1])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes what is handed over; it is passed on to no program by itself. Nothing where the other end is
/// gone.
pub(crate) fn take_over(hall: &UnixStream) -> std::io::Result<Vec<OwnedFd>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HANDED_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [IoSliceMut::new(&mut byte)];
    recvmsg(hall, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut taken = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            taken.extend(descriptors);
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    #[test]
    fn the_request_is_as_long_as_it_says_and_only_an_answer_has_a_code() {
        let request = request_up();
        assert_eq!(request.len(), 32);
        assert_eq!(u32::from_ne_bytes(request[..4].try_into().unwrap()), 32);
        assert_eq!(code_in(&request), None);
        assert_eq!(code_in(&[]), None);
        let mut answer = [0; 36];
        answer[4..6].copy_from_slice(&2_u16.to_ne_bytes());
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(code_in(&answer), Some(-1));
    }

    #[test]
    fn what_is_handed_over_is_the_same_and_goes_to_no_program() {
        let (here, there) = UnixStream::pair().unwrap();
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        hand_over(&here, &[door.as_fd(), here.as_fd()]).unwrap();
        let mut taken = take_over(&there).unwrap();
        assert_eq!(taken.len(), 2);
        let same = TcpListener::from(taken.remove(0));
        assert_eq!(same.local_addr().unwrap(), door.local_addr().unwrap());
        let flags = nix::fcntl::fcntl(&same, nix::fcntl::FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & nix::libc::FD_CLOEXEC, nix::libc::FD_CLOEXEC);
        drop((here, taken));
        assert_eq!(take_over(&there).unwrap().len(), 0);
    }
}
