use super::*;

fn saved() -> Saved {
    Saved {
        run: Digest([1; 32]),
        leaves: vec![Digest([2; 32]), Digest([3; 32])],
        fault: Some(Fault {
            step: 1,
            reason: "why".to_owned(),
        }),
        state: b"state".to_vec(),
    }
}

#[test]
fn the_format_is_frozen() {
    let bytes = saved().encode();
    let expected = [
        "4153534159535200",
        "0200000000000000",
        &"01".repeat(32),
        "0200000000000000",
        &"02".repeat(32),
        &"03".repeat(32),
        "0100000000000000",
        "03000000",
        "776879",
        "0500000000000000",
        "7374617465",
    ]
    .concat();
    let (body, sum) = bytes.split_at(bytes.len() - 32);
    assert_eq!(hex::encode(body), expected);
    assert_eq!(
        hex::encode(sum),
        "e8c19ad00d8b154d2d7dbd26f4ffdb9b3d4c60bbd25855b60b39731a71318d76"
    );
    assert_eq!(Saved::decode(&bytes), Ok(saved()));
    let faultless = Saved {
        fault: None,
        ..saved()
    };
    assert_eq!(Saved::decode(&faultless.encode()), Ok(faultless));
}

#[test]
fn the_head_of_a_state_says_how_many_steps_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let done = || Store::steps_done(folder.path(), "run");
    assert_eq!(done(), None);
    let bytes = saved().encode();
    let file = folder.path().join("run.state");
    fs::write(&file, &bytes[..HEADER]).unwrap();
    assert_eq!(done(), Some(1));
    for damaged in [
        bytes[..HEADER - 1].to_vec(),
        [b"x", &bytes[1..]].concat(),
        [&bytes[..8], &[3], &bytes[9..]].concat(),
        [&bytes[..48], &[0; 8]].concat(),
    ] {
        fs::write(&file, damaged).unwrap();
        assert_eq!(done(), None);
    }
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let long = Saved {
        fault: Some(Fault {
            step: 7,
            reason: "\u{e9}".repeat(1000) + "x",
        }),
        ..saved()
    };
    let back = Saved::decode(&long.encode()).unwrap();
    assert_eq!(back.fault.unwrap().reason, "\u{e9}".repeat(512));
}

#[test]
fn any_changed_byte_and_any_other_length_is_noticed() {
    let bytes = saved().encode();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        assert!(Saved::decode(&bad).is_err(), "byte {at}");
        assert!(Saved::decode(&bytes[..at]).is_err(), "{at} bytes");
    }
    assert_eq!(
        Saved::decode(&[&bytes[..], &[0]].concat()),
        Err(BadSaved::Damaged)
    );
    let none = Saved {
        leaves: vec![],
        ..saved()
    };
    assert_eq!(Saved::decode(&none.encode()), Err(BadSaved::Damaged));
}

#[test]
fn a_folder_is_of_one_run_and_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "run").unwrap();
    assert_eq!(store.load(&saved().run).unwrap(), None);
    store.save(&saved()).unwrap();
    // What a kill before the rename leaves behind.
    fs::write(dir.path().join("run.state.new"), b"half").unwrap();
    assert_eq!(store.load(&saved().run).unwrap(), Some(saved()));
    let later = Saved {
        state: b"later".to_vec(),
        ..saved()
    };
    store.save(&later).unwrap();
    assert_eq!(store.load(&saved().run).unwrap(), Some(later));
    let other = store.load(&Digest([7; 32]));
    assert!(matches!(other, Err(StoreError::OtherRun(_))), "{other:?}");

    let second = Store::open(dir.path(), "run");
    assert!(matches!(second, Err(StoreError::Busy(_))), "{second:?}");
    drop(store);
    let store = Store::open(dir.path(), "run").unwrap();
    fs::write(dir.path().join("run.state"), b"something").unwrap();
    let bad = store.load(&saved().run);
    assert!(matches!(bad, Err(StoreError::Bad { .. })), "{bad:?}");
    // Another name is another store.
    Store::open(dir.path(), "other").unwrap().remove().unwrap();
    store.remove().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
