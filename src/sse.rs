//! Server-sent events, to the letter of the HTML standard: lines end with CR, LF or CRLF, a leading
//! byte order mark is passed over, fields that nobody knows are ignored, what is not finished by a
//! blank line is no event.
//!
//! The parser is ours because the one that the MCP library uses refuses what the standard allows (a
//! field without a colon, an unknown field, an `id` that comes twice) and holds as much as is sent.
//! Answers of MCP servers and of language models come as such streams.

use std::time::Duration;

/// The longest id of an event that is kept; it is sent back in a header.
const ID_BYTES_MAX: usize = 1_024;

/// The longest pause that a server may ask for.
const RETRY_MAX: Duration = Duration::from_mins(1);

/// An event with data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty stands for `message`.
    pub kind: String,
    /// Its lines of data, joined by line feeds.
    pub data: String,
}

impl Event {
    /// Whether it is of the type that is meant where none is written.
    pub fn is_message(&self) -> bool {
        self.kind.is_empty() || self.kind == "message"
    }
}

/// More than may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {max} bytes")]
pub struct EventTooLarge {
    /// What may be held.
    pub max: usize,
}

/// Takes bytes as they come, however they are cut, and gives the events that they finish.
#[derive(Debug)]
pub struct Parser {
    bytes_max: usize,
    /// The line that is not finished yet.
    line: Vec<u8>,
    after_cr: bool,
    begun: bool,
    kind: Vec<u8>,
    data: Vec<u8>,
    /// The id that the next event makes the last one's.
    next_id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
}

impl Parser {
    /// Holds at most so many bytes of one event.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            line: Vec::new(),
            after_cr: false,
            begun: false,
            kind: Vec::new(),
            data: Vec::new(),
            next_id: None,
            last_id: None,
            retry: None,
        }
    }

    /// The id of the last event that was finished: where to go on after the stream broke off.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The pause before coming again, where the server named one.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Another connection goes on: what was not finished is forgotten, the last id and the pause are
    /// not.
    pub fn start_over(&mut self) {
        let (last_id, retry) = (self.last_id.take(), self.retry);
        *self = Self { last_id, retry, ..Self::new(self.bytes_max) };
    }

    /// Takes a piece and adds the events that it finishes.
    pub fn feed(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), EventTooLarge> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.hold(bytes)?;
                return Ok(());
            };
            self.hold(&bytes[..end])?;
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.end_line(&line, events);
            // Its room is used again.
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), EventTooLarge> {
        if self.line.len() + self.data.len() + bytes.len() > self.bytes_max {
            return Err(EventTooLarge { max: self.bytes_max });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let line = match line.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) if !self.begun => rest,
            _ => line,
        };
        self.begun = true;
        if line.is_empty() {
            events.extend(self.finish());
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            // A comment: it keeps the connection alive.
            Some(0) => return,
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => value.clone_into(&mut self.kind),
            b"id" if !value.contains(&0) && value.len() <= ID_BYTES_MAX => {
                self.next_id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let digits = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.retry = Some(digits.map_or(RETRY_MAX, Duration::from_millis).min(RETRY_MAX));
            }
            _ => {}
        }
    }

    /// A blank line came.
    fn finish(&mut self) -> Option<Event> {
        if let Some(id) = &self.next_id {
            // An empty id takes the last one back.
            self.last_id = Some(id.clone()).filter(|id| !id.is_empty());
        }
        let kind = std::mem::take(&mut self.kind);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        };
        Some(Event { kind: text(kind), data: text(data) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> (Vec<(String, String)>, Parser) {
        let mut parser = Parser::new(1_000);
        let mut events = Vec::new();
        for piece in pieces {
            parser.feed(piece, &mut events).unwrap();
        }
        (events.into_iter().map(|event| (event.kind, event.data)).collect(), parser)
    }

    fn datas(text: &str) -> Vec<String> {
        read(&[text.as_bytes()]).0.into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn lines_end_with_any_of_three_and_a_byte_order_mark_is_passed_over() {
        for end in ["\n", "\r", "\r\n"] {
            let text = "\u{FEFF}data: a\n\ndata: b\n\n".replace('\n', end);
            assert_eq!(datas(&text), ["a", "b"], "{end:?}");
        }
        assert_eq!(datas("data: a\r\r\ndata: b\n\r"), ["a", "b"], "mixed ends");
        assert_eq!(datas("data: a\n\n\u{FEFF}data: b\n\n"), ["a"], "only at the very beginning");
    }

    #[test]
    fn the_examples_of_the_standard_are_read_as_it_says() {
        assert_eq!(datas("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
        let third = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
        let (events, parser) = read(&[third.as_bytes()]);
        let third: Vec<&str> = events.iter().map(|(_, data)| data.as_str()).collect();
        assert_eq!(third, ["first event", "second event", " third event"]);
        assert_eq!(parser.last_id(), None, "the second event's empty id took it back");
        assert_eq!(datas("data\n\ndata\ndata\n\ndata:"), ["", "\n"], "unfinished is no event");
        assert_eq!(datas("data:test\n\ndata: test\n\n"), ["test", "test"]);
    }

    #[test]
    fn what_the_standard_ignores_is_ignored() {
        let text = "nonsense\nunknown: x\nevent: a\nevent: b\nid: 1\nid: 2\nretry: 1x\ndata: y\n\n";
        let (events, parser) = read(&[text.as_bytes()]);
        assert_eq!(events, [("b".to_owned(), "y".to_owned())], "the last of a field counts");
        assert_eq!((parser.last_id(), parser.retry()), (Some("2"), None));
        let (events, parser) = read(&[b"id: a\0b\nretry: 250\ndata: \xFF\n\n"]);
        assert_eq!(events[0].1, "\u{FFFD}");
        assert_eq!((parser.last_id(), parser.retry()), (None, Some(Duration::from_millis(250))));
        let (_, parser) = read(&[b"retry: 99999999999999999999999999\n"]);
        assert_eq!(parser.retry(), Some(RETRY_MAX));
    }

    #[test]
    fn an_id_without_data_is_kept_and_counts_only_once_its_event_is_finished() {
        let (events, mut parser) = read(&[b"id: 7\n\nid: 8\ndata: x\n"]);
        assert_eq!((events.len(), parser.last_id()), (0, Some("7")));
        parser.feed(b"\n", &mut Vec::new()).unwrap();
        assert_eq!(parser.last_id(), Some("8"));
    }

    #[test]
    fn more_than_may_be_held_is_refused_whether_in_one_line_or_in_many() {
        let feed = |piece: &[u8]| {
            let mut parser = Parser::new(1_000);
            (0..10_000).try_for_each(|_| parser.feed(piece, &mut Vec::new()))
        };
        for piece in [&b"x"[..], b"data: xxxxxxxx\n", b"data\n", b":x"] {
            assert!(feed(piece).is_err(), "{piece:?}");
        }
        for piece in [&b": kept alive\n"[..], b"data: x\n\n", b"event: e\n", b"id: 5\n", b"\r\n"] {
            assert!(feed(piece).is_ok(), "{piece:?}");
        }
    }

    #[test]
    fn a_stream_reads_the_same_wherever_it_is_cut() {
        let text = "\u{FEFF}: hi\r\ndata: {\"ä\":\r\ndata: 1}\r\n\r\nevent: message\rid: 4\rdata: €\r\rdata: z\n\n";
        let whole = read(&[text.as_bytes()]).0;
        assert_eq!(whole.len(), 3, "{whole:?}");
        for at in 0..=text.len() {
            let (before, after) = text.as_bytes().split_at(at);
            assert_eq!(read(&[before, after]).0, whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes).0, whole, "byte by byte");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_hold_too_much_or_depend_on_the_cuts(
            pieces in proptest::collection::vec(
                proptest::collection::vec(
                    prop_oneof![
                        Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '), Just(b'd'), Just(0xEF),
                        Just(0), any::<u8>(),
                    ],
                    0..40,
                ),
                0..20,
            ),
            max in 1_usize..200,
        ) {
            let (mut cut, mut whole) = (Parser::new(max), Parser::new(max));
            let (mut some, mut all) = (Vec::new(), Vec::new());
            let fed = pieces.iter().try_for_each(|piece| cut.feed(piece, &mut some));
            prop_assert!(cut.line.len() + cut.data.len() <= max + pieces.len() * 40);
            prop_assert_eq!(fed, whole.feed(&pieces.concat(), &mut all));
            prop_assert_eq!(some, all);
        }
    }
}
