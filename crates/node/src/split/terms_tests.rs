use super::*;

fn plain() -> Terms {
    Terms {
        version: 1,
        messages: 1,
        kernel_spec: 1,
        base: Digest([2; 32]),
        held: Held::Nf4,
        batch: 8,
        seq: 64,
        micro_batches: 2,
        checkpointing: true,
        rounded: true,
        steps: 160,
        longest_message: 0x1234,
        mode: Mode::Plain {
            r: 8,
            lora_alpha: 16,
            targets: 0x7f,
            seed: [3; 32],
            plan: Digest([4; 32]),
        },
    }
}

fn masked() -> Terms {
    Terms {
        mode: Mode::Masked { provider: 1 },
        ..plain()
    }
}

#[test]
fn the_format_is_frozen() {
    let head = [
        "01",
        "01",
        "01000000",
        &"02".repeat(32),
        "03",
        "08000000",
        "40000000",
        "02000000",
        "01",
        "01",
        "a000000000000000",
        "3412000000000000",
    ]
    .concat();
    let plain_tail = [
        "00",
        "08000000",
        "10000000",
        "7f",
        &"03".repeat(32),
        &"04".repeat(32),
    ];
    for (terms, tail) in [
        (plain(), plain_tail.concat()),
        (masked(), "0101".to_owned()),
    ] {
        let bytes = borsh::to_vec(&terms).unwrap();
        assert_eq!(hex::encode(&bytes), format!("{head}{tail}"));
        assert_eq!(borsh::from_slice::<Terms>(&bytes).unwrap(), terms);
        let request = crate::transport::request_bytes(&terms).unwrap();
        assert_eq!(request, [b"\x07split/1", &bytes[..]].concat());
        assert!(borsh::from_slice::<Terms>(&bytes[..bytes.len() - 1]).is_err());
        assert!(borsh::from_slice::<Terms>(&[&bytes[..], &[0]].concat()).is_err());
    }
    assert_eq!(
        plain().digest().to_string(),
        "0b762feb8f372b531db10eedc1fad4c4bc9a20e66f8949255c0cecb83f6d5c26"
    );
}

#[test]
fn every_difference_has_its_reason() {
    let good = Terms {
        kernel_spec: SPEC_VERSION,
        ..plain()
    };
    let check = |terms: &Terms| terms.check(Digest([2; 32]), Held::Nf4);
    check(&good).unwrap();
    type Change = fn(&mut Terms);
    let differences: [(&str, Change); 10] = [
        ("the terms have version 2", |t| t.version = 2),
        ("messages have version 9", |t| t.messages = 9),
        ("version 7 of the kernel specification", |t| {
            t.kernel_spec = 7
        }),
        ("wants the model's projections in int8", |t| {
            t.held = Held::Int8
        }),
        ("your base model has digest", |t| t.base = Digest([9; 32])),
        ("the number of rows is 0", |t| t.batch = 0),
        ("the sequence length is 8193", |t| t.seq = 8193),
        ("the number of micro-batches is 4294967295", |t| {
            t.micro_batches = u32::MAX
        }),
        ("the number of steps is 0", |t| t.steps = 0),
        ("it must be 1 to 10000000", |t| t.steps = u64::MAX),
    ];
    for (expected, change) in differences {
        let mut other = good.clone();
        change(&mut other);
        let error = check(&other).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        assert_ne!(other.digest(), good.digest());
    }
}
