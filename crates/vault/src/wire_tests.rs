use super::*;

fn digest(n: u8) -> Digest {
    Digest([n; 32])
}

fn requests() -> Vec<Request> {
    vec![
        Request::Free,
        Request::Put {
            digest: digest(1),
            piece: Piece::new(vec![0xaa, 0xbb]).unwrap(),
        },
        Request::Get { digest: digest(2) },
        Request::Has {
            digests: Digests::new(vec![digest(3)]).unwrap(),
        },
        Request::Commit {
            file: FileId(digest(4)),
            slices: Digests::new(vec![digest(5)]).unwrap(),
        },
        Request::Delete { digest: digest(6) },
        Request::Room,
        Request::Pending { after: None },
        Request::Pending {
            after: Some(digest(7)),
        },
        Request::Accept(Asked {
            file: FileId(digest(8)),
            root: digest(9),
            slices: 1,
            length_class: 2,
            until: LedgerTime(3),
        }),
        Request::Slices {
            file: FileId(digest(10)),
            root: digest(11),
        },
    ]
}

fn responses() -> Vec<Response> {
    vec![
        Response::Free { bytes: 258 },
        Response::Stored { digest: digest(1) },
        Response::Piece {
            piece: Piece::new(vec![0xcc]).unwrap(),
        },
        Response::Has {
            held: Flags::new(vec![true, false]),
        },
        Response::Committed {
            file: FileId(digest(2)),
        },
        Response::Deleted { digest: digest(3) },
        Response::Refused(Refusal::Full { free: 1 }),
        Response::Refused(Refusal::TooMuchPending),
        Response::Refused(Refusal::WrongDigest),
        Response::Refused(Refusal::Unknown),
        Response::Refused(Refusal::Damaged),
        Response::Refused(Refusal::Incomplete { missing: 2 }),
        Response::Refused(Refusal::InUse),
        Response::Refused(Refusal::Busy),
        Response::Refused(Refusal::DiskFailed),
        Response::Refused(Refusal::Malformed),
        Response::Refused(Refusal::Repeated),
        Response::Refused(Refusal::Understated),
        Response::Refused(Refusal::BadTime),
        Response::Room {
            free: 1,
            pending: 2,
            allowed: 3,
            price: Amount(4),
        },
        Response::Pending {
            pieces: Unrecorded::new(vec![(digest(4), 5)]),
        },
        Response::Accepted(Acceptance {
            price: Amount(6),
            by: LedgerTime(7),
            signature: assay_crypto::Signature([8; 64]),
        }),
        Response::Slices {
            slices: Digests::new(vec![digest(9)]).unwrap(),
        },
    ]
}

fn le(n: u64) -> String {
    hex(&n.to_le_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn request_bytes_are_frozen() {
    let d = |n: u8| format!("{n:02x}").repeat(32);
    let golden = [
        "0100".to_owned(),
        format!("0101{}02000000aabb", d(1)),
        format!("0102{}", d(2)),
        format!("010301000000{}", d(3)),
        format!("0104{}01000000{}", d(4), d(5)),
        format!("0105{}", d(6)),
        "0106".to_owned(),
        "010700".to_owned(),
        format!("010701{}", d(7)),
        format!("0108{}{}01000000{}{}", d(8), d(9), le(2), le(3)),
        format!("0109{}{}", d(10), d(11)),
    ];
    assert_eq!(requests().len(), golden.len());
    for (request, golden) in requests().iter().zip(golden) {
        assert_eq!(hex(&request.encode()), golden);
        assert_eq!(Request::decode(&request.encode()).as_ref(), Ok(request));
    }
}

#[test]
fn response_bytes_are_frozen() {
    let d = |n: u8| format!("{n:02x}").repeat(32);
    let golden = [
        "01000201000000000000".to_owned(),
        format!("0101{}", d(1)),
        "010201000000cc".to_owned(),
        "0103020000000100".to_owned(),
        format!("0104{}", d(2)),
        format!("0105{}", d(3)),
        "0106000100000000000000".to_owned(),
        "010601".to_owned(),
        "010602".to_owned(),
        "010603".to_owned(),
        "010604".to_owned(),
        "01060502000000".to_owned(),
        "010606".to_owned(),
        "010607".to_owned(),
        "010608".to_owned(),
        "010609".to_owned(),
        "01060a".to_owned(),
        "01060b".to_owned(),
        "01060c".to_owned(),
        format!("0107{}{}{}{}", le(1), le(2), le(3), le(4)),
        format!("010801000000{}05000000", d(4)),
        format!("0109{}{}{}", le(6), le(7), "08".repeat(64)),
        format!("010a01000000{}", d(9)),
    ];
    assert_eq!(responses().len(), golden.len());
    for (response, golden) in responses().iter().zip(golden) {
        assert_eq!(hex(&response.encode()), golden);
        assert_eq!(Response::decode(&response.encode()).as_ref(), Ok(response));
    }
}

#[test]
fn anything_missing_or_left_over_is_refused() {
    for request in requests() {
        let bytes = request.encode();
        for end in 0..bytes.len() {
            assert!(Request::decode(&bytes[..end]).is_err());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(
            Request::decode(&longer),
            Err(WireError::Malformed(_))
        ));
        let mut newer = bytes;
        newer[0] = 2;
        assert_eq!(Request::decode(&newer), Err(WireError::Version(2)));
    }
    assert_eq!(Response::decode(&[]), Err(WireError::Empty));
}

#[test]
fn bounds_are_kept_before_anything_is_read() {
    let over = |head: &[u8], count: usize| [head, &(count as u32).to_le_bytes()].concat();
    let get = |bytes: Vec<u8>| Request::decode(&bytes).unwrap_err().to_string();
    let put_head = [&[1, 1][..], &[0; 32]].concat();
    assert!(get(over(&put_head, MAX_PIECE_BYTES + 1)).contains("over the limit"));
    assert!(get(over(&[1, 3], MAX_HAS + 1)).contains("over the limit"));
    let commit_head = [&[1, 4][..], &[0; 32]].concat();
    assert!(get(over(&commit_head, MAX_SLICES as usize + 1)).contains("over the limit"));
    let flags = Response::decode(&over(&[1, 3], MAX_HAS + 1)).unwrap_err();
    assert!(flags.to_string().contains("over the limit"));
    let long = vec![1; MAX_MESSAGE_BYTES + 1];
    assert_eq!(Response::decode(&long), Err(WireError::TooLong(long.len())));
}

#[test]
fn the_largest_messages_fit() {
    let piece = Piece::new(vec![7; MAX_PIECE_BYTES]).unwrap();
    let digest = piece.digest();
    let put = Request::Put { digest, piece };
    assert!(put.encode().len() <= MAX_MESSAGE_BYTES);
    assert_eq!(Request::decode(&put.encode()), Ok(put));
    assert!(Piece::new(vec![7; MAX_PIECE_BYTES + 1]).is_err());
    let commit = Request::Commit {
        file: FileId(digest),
        slices: Digests::new(vec![digest; MAX_SLICES as usize]).unwrap(),
    };
    assert!(commit.encode().len() <= MAX_MESSAGE_BYTES);
}

proptest::proptest! {
    #[test]
    fn decoding_never_panics(bytes: Vec<u8>, first in 0u8..10) {
        let framed = [&[WIRE_VERSION, first][..], &bytes].concat();
        for bytes in [bytes, framed] {
            if let Ok(request) = Request::decode(&bytes) {
                proptest::prop_assert_eq!(request.encode(), bytes.clone());
            }
            if let Ok(response) = Response::decode(&bytes) {
                proptest::prop_assert_eq!(response.encode(), bytes);
            }
        }
    }
}
