//! The host's side: lines of JSON at standard input and output, each in a thread of its own. A read
//! that nobody answers must not keep the process from ending, so these threads are never waited for
//! without a limit.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::thread;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The longest line that is taken from the host.
pub const LINE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Lines that wait to be carried, and lines that wait to be written.
const WAITING_MAX: usize = 64;

/// What is read at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// Something that came from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line that is not blank.
    Text(String),
    /// A line that is no UTF-8, or longer than [`LINE_BYTES_MAX`]; what is wrong.
    Bad(&'static str),
}

/// The host: what it says, and whether it still listens.
#[derive(Debug)]
pub struct Host {
    /// Its lines; ends after the last one.
    pub lines: mpsc::Receiver<Line>,
    /// Takes lines for it, without their ends.
    pub out: mpsc::Sender<Vec<u8>>,
    /// Cancelled when it has said its last word.
    pub hung_up: CancellationToken,
    /// Cancelled when it can be told nothing more, or has been told everything.
    pub deaf: CancellationToken,
}

impl Host {
    /// Begins to read and to write.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        input: impl Read + Send + 'static,
        output: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let (tell, lines) = mpsc::channel(WAITING_MAX);
        let (out, told) = mpsc::channel(WAITING_MAX);
        let (hung_up, deaf) = (CancellationToken::new(), CancellationToken::new());
        let ended = hung_up.clone().drop_guard();
        let thread = thread::Builder::new().name("bridge-in".to_owned());
        thread.spawn(move || {
            let _ended = ended;
            read(input, &mut |line| tell.blocking_send(line).is_ok());
        })?;
        let ended = deaf.clone().drop_guard();
        let thread = thread::Builder::new().name("bridge-out".to_owned());
        thread.spawn(move || {
            let _ended = ended;
            write(output, told);
        })?;
        Ok(Self { lines, out, hung_up, deaf })
    }
}

/// Reads lines until the host hangs up or `tell` wants no more.
fn read(input: impl Read, tell: &mut dyn FnMut(Line) -> bool) {
    let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let piece = match input.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let end = piece.iter().position(|byte| *byte == b'\n');
        let (taken, used) = match end {
            Some(end) => (&piece[..end], end + 1),
            None => (piece, piece.len()),
        };
        let at_end = piece.is_empty();
        too_long = too_long || line.len() + taken.len() > LINE_BYTES_MAX;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(taken);
        }
        input.consume(used);
        if end.is_some() || at_end {
            // A large line gives its room back.
            let whole = std::mem::take(&mut line);
            let told = if std::mem::take(&mut too_long) {
                tell(Line::Bad("it is longer than 10 MiB"))
            } else {
                of_bytes(whole).is_none_or(&mut *tell)
            };
            if at_end || !told {
                return;
            }
        }
    }
}

fn of_bytes(bytes: Vec<u8>) -> Option<Line> {
    match String::from_utf8(bytes) {
        Ok(text) if text.trim().is_empty() => None,
        Ok(mut text) => {
            text.truncate(text.trim_end_matches('\r').len());
            Some(Line::Text(text))
        }
        Err(_) => Some(Line::Bad("it is not UTF-8")),
    }
}

fn write(mut output: impl Write, mut told: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut line) = told.blocking_recv() {
        one_line(&mut line);
        if output.write_all(&line).and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

/// Within JSON a line break can stand between words only, where a space does as well.
pub fn one_line(text: &mut Vec<u8>) {
    for byte in text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives its bytes in the pieces in which they were put in.
    struct Pieces(std::collections::VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.pop_front() else { return Ok(0) };
            let count = piece.len().min(into.len());
            into[..count].copy_from_slice(&piece[..count]);
            if count < piece.len() {
                self.0.push_front(piece[count..].to_vec());
            }
            Ok(count)
        }
    }

    fn lines(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<Line> {
        let mut found = Vec::new();
        read(Pieces(pieces.into_iter().filter(|piece| !piece.is_empty()).collect()), &mut |line| {
            found.push(line);
            true
        });
        found
    }

    fn text(text: &str) -> Line {
        Line::Text(text.to_owned())
    }

    #[test]
    fn lines_come_whole_and_blank_ones_are_passed_over() {
        let given = [b"{\"a\":1}\r\n\n  \n{\"b\"".to_vec(), b":2}\n\xFF\nlast".to_vec()];
        let expected =
            [text("{\"a\":1}"), text("{\"b\":2}"), Line::Bad("it is not UTF-8"), text("last")];
        assert_eq!(lines(given), expected);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_takes_no_room() {
        let piece = vec![b'x'; 1024 * 1024];
        let flood = std::iter::repeat_n(piece, 11).chain([b"\nnext\n".to_vec()]);
        assert_eq!(lines(flood), [Line::Bad("it is longer than 10 MiB"), text("next")]);
    }

    #[test]
    fn an_answer_is_one_line_however_it_was_written() {
        let mut answer = b"{\r\n  \"a\": 1\n}".to_vec();
        one_line(&mut answer);
        assert_eq!(answer, b"{    \"a\": 1 }\n");
    }

    proptest! {
        #[test]
        fn the_cuts_do_not_matter_and_no_bytes_make_it_panic(
            pieces in proptest::collection::vec(
                proptest::collection::vec(
                    prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), any::<u8>()], 0..30),
                0..12,
            ),
        ) {
            prop_assert_eq!(lines(pieces.clone()), lines([pieces.concat()]));
        }
    }
}
