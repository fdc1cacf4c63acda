//! Server-sent events: however the bytes are cut, the same events come, and no more is held than may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rota::sse::Parser;

fuzz_target!(|input: (&[u8], u8)| {
    let (bytes, cut) = input;
    let (mut whole, mut cuts) = (Vec::new(), Vec::new());
    let mut parser = Parser::new(1 << 20);
    let taken = parser.feed(bytes, &mut whole).is_ok();
    let mut pieces = Parser::new(1 << 20);
    let fed =
        bytes.chunks(usize::from(cut).max(1)).all(|piece| pieces.feed(piece, &mut cuts).is_ok());
    assert_eq!((taken, &whole), (fed, &cuts));
    assert_eq!((parser.last_id(), parser.retry()), (pieces.last_id(), pieces.retry()));
    let mut small = Parser::new(16);
    let mut events = Vec::new();
    let _ = small.feed(bytes, &mut events);
    assert!(events.iter().all(|event| event.data.len() <= 32 && event.kind.len() <= 32));
});
