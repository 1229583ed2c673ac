use proptest::prelude::*;

use super::*;

fn nonce(byte: u8) -> Nonce {
    Nonce::from_bytes([byte; 16])
}

fn line(nonce: &str, seq: u64, kind: &str, payload: &str) -> Vec<u8> {
    let (nonce, kind) = (nonce.to_owned(), kind.to_owned());
    Record {
        nonce,
        seq,
        kind,
        payload: payload.as_bytes().to_vec(),
    }
    .encode()
}

fn ours(seq: u64, kind: &str, payload: &str) -> Vec<u8> {
    line(nonce(7).as_str(), seq, kind, payload)
}

fn receiver(sharing: Sharing) -> Receiver {
    let mut taker = Receiver::new(sharing);
    taker.expect(nonce(7));
    taker
}

fn noted(received: &[Received]) -> Vec<String> {
    let note = |received: &Received| match received {
        Received::Noted(text) => text.clone(),
        Received::Record(record) => panic!("a record passed: {record:?}"),
    };
    received.iter().map(note).collect()
}

#[test]
fn record_format_never_changes() {
    // Every published init writes and reads this.
    let bytes = line("000102030405060708090a0b0c0d0e0f", 12, "out", "100% sure\n");
    let wire: &[u8] = b"@kiln 000102030405060708090a0b0c0d0e0f 12 out a1adf2bb 100%25 sure%0A\n";
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        String::from_utf8_lossy(wire)
    );
    // `crc32` of zlib over the same text.
    assert_eq!(crc32(b"- 1 hello ", b"1 6.12.95"), 0x158d_0669);
}

#[test]
fn guest_records_are_parsed() {
    let check = |kind: &str, payload: &str, expect: FromGuest| {
        let mut taker = receiver(Sharing::Own);
        assert_eq!(
            taker.take(&ours(1, kind, payload)),
            [Received::Record(expect)]
        );
    };
    check("out", "a\nb", FromGuest::Out(b"a\nb".to_vec()));
    check("leaving", "panic", FromGuest::Leaving(Leave::Panic));
    check(
        "end",
        "77 512",
        FromGuest::End {
            status: 77,
            taint: 512,
        },
    );
    let args = vec!["device_del".to_owned(), "id=disk0".to_owned()];
    let call = Call {
        id: 3,
        word: "qmp".to_owned(),
        args,
    };
    check(
        "call",
        "3 qmp\u{1f}device_del\u{1f}id=disk0",
        FromGuest::Call(call),
    );
    let call = Call {
        id: 4,
        word: "skip".to_owned(),
        args: vec!["no such disk".to_owned()],
    };
    check("call", "4 skip\u{1f}no such disk", FromGuest::Call(call));
}

#[test]
fn only_hello_is_accepted_before_the_nonce() {
    let mut taker = Receiver::new(Sharing::Own);
    let hello = |resumes| {
        let release = "6.12.95".to_owned();
        Received::Record(FromGuest::Hello { release, resumes })
    };
    for (payload, resumes) in [("1 6.12.95", false), ("1 6.12.95 future resume", true)] {
        let received = taker.take(&line("-", 1, "hello", payload));
        assert_eq!(received, [hello(resumes)]);
    }
    let end = taker.take(&line("-", 2, "end", "0 0"));
    assert_eq!(
        noted(&end)[0].split(':').next(),
        Some("a record without a nonce")
    );
    let hello = taker.take(&line("-", 1, "hello", "9 6.12.95"));
    assert_eq!(noted(&hello), ["a hello of another version: `9 6.12.95`"]);
}

#[test]
fn forged_or_replayed_record_never_passes() {
    let check = |bytes: &[u8], why: &str| {
        let mut taker = receiver(Sharing::Own);
        taker.take(&ours(5, "out", "x"));
        let received = taker.take(bytes);
        assert!(noted(&received)[0].starts_with(why), "{received:?}");
    };
    check(
        &line(nonce(8).as_str(), 6, "end", "0 0"),
        "a record with a wrong nonce",
    );
    check(&ours(5, "end", "0 0"), "a replayed record");
    check(&ours(1, "end", "0 0"), "a replayed record");
    check(
        &ours(6, "hello", "1 6.12.95"),
        "a hello that knows the nonce",
    );
    check(&ours(6, "end", "0"), "a malformed end");
    check(&ours(6, "end", "0x0 0"), "a malformed end");
    check(&ours(6, "leaving", "quietly"), "an unknown announcement");
    check(&ours(6, "pass", "0"), "a record of unknown type");
    check(b"PASS\n", "not a record");
    check(b"@kiln - 1\n", "a malformed record");
    check(b"@kiln - -1 end 00000000 0 0\n", "a malformed record");
    let mut broken = ours(6, "end", "1 0");
    let status = broken.len() - 4;
    broken[status] = b'0';
    check(&broken, "a record with a wrong checksum");
    check(
        &[&vec![b'x'; LINE_MAX + 1][..], b"\n"].concat(),
        "a line too long",
    );
}

#[test]
fn console_text_around_records_is_not_noted() {
    let mut taker = receiver(Sharing::Console);
    let mut bytes = b"[    0.5] booting @kiln x\r\n\r\n".to_vec();
    bytes.extend(vec![b'y'; 2 * LINE_MAX]);
    bytes.push(b'\n');
    assert_eq!(taker.take(&bytes), []);
    let mut record = ours(1, "end", "0 0");
    record.insert(record.len() - 1, b'\r');
    let end = Received::Record(FromGuest::End {
        status: 0,
        taint: 0,
    });
    assert_eq!(taker.take(&record), [end]);
}

#[test]
fn gap_is_noted_and_record_accepted() {
    let mut taker = receiver(Sharing::Own);
    let received = taker.take(&ours(4, "end", "0 0"));
    let end = Received::Record(FromGuest::End {
        status: 0,
        taint: 0,
    });
    assert_eq!(
        received,
        [Received::Noted("3 records were lost".to_owned()), end]
    );
}

#[test]
fn files_are_sent_in_lines_that_fit() {
    let content: Vec<u8> = (0..10_000_u32).map(|i| (i % 32) as u8).collect();
    let mut sender = Sender::new(nonce(1));
    let bytes = sender.put("/kiln/test", 0o755, &content);
    let mut joined = Vec::new();
    let lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    for (index, line) in lines.iter().enumerate() {
        assert!(line.len() <= LINE_MAX);
        let record = Record::parse(&line[..line.len() - 1]).unwrap();
        assert_eq!(
            (record.seq, record.kind.as_str()),
            (index as u64 + 1, "put")
        );
        joined.extend_from_slice(record.payload.strip_prefix(b"/kiln/test 755\x1f").unwrap());
    }
    assert_eq!(lines.len(), 3);
    assert_eq!(joined, content);
    let empty = sender.put("/empty", 0o644, b"");
    assert!(
        empty.ends_with(b" /empty 644%1F\n"),
        "{}",
        String::from_utf8_lossy(&empty)
    );
}

#[test]
fn long_reply_is_sent_in_parts() {
    let mut sender = Sender::new(nonce(1));
    let text: Vec<u8> = (0..=255).cycle().take(300 << 10).collect();
    let lines = sender.reply(9, 1, &text);
    let records: Vec<_> = lines
        .strip_suffix(b"\n")
        .unwrap()
        .split(|&byte| byte == b'\n')
        .map(|line| Record::parse(line).unwrap())
        .collect();
    let (last, parts) = records.split_last().unwrap();
    assert_eq!(last.kind, "reply");
    assert!(parts.iter().all(|part| part.kind == "part"));
    let pieces = records
        .iter()
        .map(|record| record.payload.strip_prefix(b"9 1 ").unwrap());
    assert_eq!(pieces.collect::<Vec<_>>().concat(), text);
    let short = sender.reply(10, 0, b"");
    let short = Record::parse(&short[..short.len() - 1]).unwrap();
    assert_eq!(
        (short.kind.as_str(), &short.payload[..]),
        ("reply", &b"10 0 "[..])
    );
}

#[test]
fn recent_records_are_resent_without_start() {
    let mut sender = Sender::new(nonce(1));
    sender.start(0);
    let run = sender.run("/kiln/run");
    assert_eq!(sender.again(), [b"\n", &run[..]].concat());
    // The total is limited, and the oldest are dropped first.
    for id in 0..2000 {
        sender.reply(id, 0, &[b'x'; 1000]);
    }
    let again = sender.again();
    assert!(again.len() <= KEPT + 1, "{}", again.len());
    let latest = sender.reply(2000, 0, b"");
    assert!(sender.again().ends_with(&latest));
}

#[test]
fn first_complete_record_identifies_the_guest() {
    let record = |nonce: &str, kind: &str| {
        let (nonce, kind) = (nonce.to_owned(), kind.to_owned());
        Record {
            nonce,
            seq: 7,
            kind,
            payload: b"1 x".to_vec(),
        }
        .encode()
    };
    let own = record(nonce(1).as_str(), "out");
    let known = Some(Heard::Nonce(nonce(1).as_str().to_owned()));
    assert_eq!(first_record(&own), known);
    assert_eq!(
        first_record(&[b"st of another\n", &own[..]].concat()),
        known
    );
    assert_eq!(first_record(&own[..own.len() - 1]), None);
    assert_eq!(first_record(&record("-", "hello")), Some(Heard::Hello));
    assert_eq!(first_record(&record("-", "end")), None);
    assert_eq!(first_record(b"@kiln nonsense\n"), None);
}

proptest! {
    #[test]
    fn record_payload_is_read_back(seq in 1..u64::MAX, payload in prop::collection::vec(any::<u8>(), 0..500)) {
        let record = Record { nonce: "-".to_owned(), seq, kind: "out".to_owned(), payload };
        let line = record.encode();
        prop_assert_eq!(line.split(|&byte| byte == b'\n').count(), 2);
        prop_assert_eq!(Record::parse(&line[..line.len() - 1]), Ok(record));
    }

    #[test]
    fn parsed_bytes_encode_to_the_same_record(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for line in [bytes.clone(), [MARK, &bytes].concat()] {
            if let Ok(record) = Record::parse(&line) {
                let encoded = record.encode();
                prop_assert_eq!(Record::parse(&encoded[..encoded.len() - 1]), Ok(record));
            }
        }
    }

    #[test]
    fn records_do_not_depend_on_chunks(cut in 1..40_usize) {
        let bytes = [ours(1, "out", "a\n"), b"noise\n".to_vec(), ours(2, "end", "3 0")].concat();
        let whole = receiver(Sharing::Own).take(&bytes);
        let mut pieces = receiver(Sharing::Own);
        let received: Vec<_> = bytes.chunks(cut).flat_map(|piece| pieces.take(piece)).collect();
        prop_assert_eq!(received, whole);
    }
}
