//! Lines of JSON over a stream, bounded in length and in time.

use serde::Serialize;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How much is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// What can go wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is longer than allowed.
    #[error("a line is longer than {max} bytes")]
    TooLong {
        /// How long it may be.
        max: usize,
    },
    /// It was begun and not finished in time, or not taken in time.
    #[error("a line took longer than {}", crate::domain::show_duration(*.0))]
    TooSlow(Duration),
    /// The other side hung up in the middle of it.
    #[error("the other side hung up in the middle of a line")]
    CutOff,
    /// It cannot be written as JSON.
    #[error("cannot write a line as json")]
    Json(#[source] serde_json::Error),
    /// The system said no.
    #[error("the connection broke")]
    Io(#[source] std::io::Error),
}

/// Reads lines. Waiting for a line may be given up and taken up again: nothing is lost.
#[derive(Debug)]
pub struct LineReader<R> {
    from: R,
    held: Vec<u8>,
    searched: usize,
    bytes_max: usize,
    line_time: Duration,
    deadline: Option<tokio::time::Instant>,
}

impl<R: AsyncRead + Unpin + Send> LineReader<R> {
    /// Reads lines of at most so many bytes, each finished in this time once begun.
    pub fn new(from: R, bytes_max: usize, line_time: Duration) -> Self {
        Self { from, held: Vec::new(), searched: 0, bytes_max, line_time, deadline: None }
    }

    /// The next line, without its end; `None` when the other side hung up between lines.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, LineError> {
        loop {
            if let Some(line) = self.take_line()? {
                return Ok(Some(line));
            }
            let begun = !self.held.is_empty();
            self.held.reserve(CHUNK_BYTES);
            let reading = self.from.read_buf(&mut self.held);
            let read = match self.deadline {
                None => reading.await,
                Some(deadline) => tokio::time::timeout_at(deadline, reading)
                    .await
                    .map_err(|_| LineError::TooSlow(self.line_time))?,
            };
            match read.map_err(LineError::Io)? {
                0 if begun => return Err(LineError::CutOff),
                0 => return Ok(None),
                _ => {}
            }
        }
    }

    fn take_line(&mut self) -> Result<Option<Vec<u8>>, LineError> {
        let end = self.held[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|place| place + self.searched) else {
            self.searched = self.held.len();
            if self.held.len() > self.bytes_max {
                return Err(LineError::TooLong { max: self.bytes_max });
            }
            if !self.held.is_empty() && self.deadline.is_none() {
                self.deadline = Some(tokio::time::Instant::now() + self.line_time);
            }
            return Ok(None);
        };
        if end > self.bytes_max {
            return Err(LineError::TooLong { max: self.bytes_max });
        }
        let rest = self.held.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.held, rest);
        line.truncate(end);
        (self.searched, self.deadline) = (0, None);
        Ok(Some(line))
    }
}

/// Writes lines, each taken by the reader within a time.
#[derive(Debug)]
pub struct LineWriter<W> {
    to: W,
    bytes_max: usize,
    write_time: Duration,
}

impl<W: AsyncWrite + Unpin + Send> LineWriter<W> {
    /// Writes lines of at most so many bytes.
    pub fn new(to: W, bytes_max: usize, write_time: Duration) -> Self {
        Self { to, bytes_max, write_time }
    }

    /// Writes one value as one line. Nothing is written of a line that is too long.
    pub async fn send<T: Serialize + Sync>(&mut self, value: &T) -> Result<(), LineError> {
        let mut line = serde_json::to_vec(value).map_err(LineError::Json)?;
        if line.len() > self.bytes_max {
            return Err(LineError::TooLong { max: self.bytes_max });
        }
        line.push(b'\n');
        let writing = async {
            self.to.write_all(&line).await?;
            self.to.flush().await
        };
        tokio::time::timeout(self.write_time, writing)
            .await
            .map_err(|_| LineError::TooSlow(self.write_time))?
            .map_err(LineError::Io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn lines_come_whole_however_they_are_cut_on_the_way() {
        let (mut to, from) = tokio::io::duplex(8);
        let mut reader = LineReader::new(from, 100, TIME);
        let writing = async {
            for piece in ["on", "e\ntwo\nth", "ree", "\n", "\n"] {
                to.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(to);
        };
        let reading = async {
            let mut lines = Vec::new();
            while let Some(line) = reader.next().await.unwrap() {
                lines.push(String::from_utf8(line).unwrap());
            }
            lines
        };
        let ((), lines) = tokio::join!(writing, reading);
        assert_eq!(lines, ["one", "two", "three", ""]);
    }

    #[tokio::test]
    async fn nothing_is_lost_when_waiting_is_given_up() {
        let (mut to, from) = tokio::io::duplex(64);
        let mut reader = LineReader::new(from, 100, TIME);
        to.write_all(b"half").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(1), reader.next()).await.is_err());
        to.write_all(b" whole\n").await.unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap(), b"half whole");
    }

    #[tokio::test]
    async fn a_line_of_the_longest_length_is_read_and_one_byte_more_is_not() {
        for (length, fits) in [(5, true), (6, false)] {
            let (mut to, from) = tokio::io::duplex(64);
            let mut reader = LineReader::new(from, 5, TIME);
            to.write_all(&vec![b'x'; length]).await.unwrap();
            to.write_all(b"\n").await.unwrap();
            let read = reader.next().await;
            assert_eq!(matches!(read, Ok(Some(_))), fits, "{length}: {read:?}");
            assert_eq!(matches!(read, Err(LineError::TooLong { max: 5 })), !fits);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_line_that_was_begun_has_to_be_finished_in_time() {
        let (mut to, from) = tokio::io::duplex(64);
        let mut reader = LineReader::new(from, 100, TIME);
        let idle = tokio::time::timeout(TIME * 10, reader.next()).await;
        assert!(idle.is_err(), "an idle connection may wait for ever");
        to.write_all(b"x").await.unwrap();
        assert!(matches!(reader.next().await, Err(LineError::TooSlow(_))));
    }

    #[tokio::test]
    async fn an_end_in_the_middle_of_a_line_is_told_from_one_between_lines() {
        let (mut to, from) = tokio::io::duplex(64);
        let mut reader = LineReader::new(from, 100, TIME);
        to.write_all(b"a\nb").await.unwrap();
        drop(to);
        assert_eq!(reader.next().await.unwrap().unwrap(), b"a");
        assert!(matches!(reader.next().await, Err(LineError::CutOff)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_not_waited_for_for_ever() {
        let (to, _from) = tokio::io::duplex(4);
        let mut writer = LineWriter::new(to, 100, TIME);
        assert!(matches!(writer.send(&"a long line").await, Err(LineError::TooSlow(_))));
        assert!(matches!(writer.send(&"x".repeat(200)).await, Err(LineError::TooLong { .. })));
    }
}
