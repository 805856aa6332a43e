use super::*;

fn secret(n: u8) -> LockSecret {
    LockSecret::from_seed(&[n; 32])
}

fn of(n: u8) -> Digest {
    Digest([n; 32])
}

/// A lock, its receiver, and a release of the key of use 1 from one to the other.
fn released() -> (LockSecret, LockSecret, Release) {
    let (holder, receiver) = (secret(1), secret(2));
    let release = holder.release(&of(1), &receiver.public(), &[7; 32]);
    (holder, receiver, release.unwrap())
}

#[test]
fn the_receiver_gets_the_key_and_everybody_sees_that() {
    let (holder, receiver, release) = released();
    assert_eq!(
        release.verify(&of(1), &holder.public(), &receiver.public()),
        Ok(())
    );
    let key = release.released.open(&receiver).unwrap();
    assert_eq!(key, holder.key(&of(1)));
    assert_eq!(
        key.file_key("state", 3),
        holder.key(&of(1)).file_key("state", 3)
    );
    assert_ne!(release.released.open(&secret(3)), Some(key));
}

#[test]
fn keys_differ_by_lock_and_use() {
    let key = secret(1).key(&of(1));
    assert_ne!(key, secret(2).key(&of(1)));
    assert_ne!(key, secret(1).key(&of(2)));
}

#[test]
fn a_release_counts_for_its_own_lock_use_and_receiver() {
    let (holder, receiver, release) = released();
    let (lock, to) = (holder.public(), receiver.public());
    for (of, lock, to) in [
        (of(2), lock, to),
        (of(1), secret(3).public(), to),
        (of(1), lock, secret(3).public()),
        (of(1), to, lock),
    ] {
        assert_eq!(release.verify(&of, &lock, &to), Err(BadRelease));
    }
}

#[test]
fn no_altered_release_passes() {
    let (holder, receiver, release) = released();
    let bytes = borsh::to_vec(&release).unwrap();
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1 << (place % 8);
        let altered: Release = borsh::from_slice(&altered).unwrap();
        let verdict = altered.verify(&of(1), &holder.public(), &receiver.public());
        assert_eq!(verdict, Err(BadRelease), "byte {place}");
    }
}

/// Whoever keeps the key back cannot hand over another one instead: it would have to prove that it knows
/// the lock's secret behind another point.
#[test]
fn another_key_cannot_be_released_under_a_lock() {
    let (holder, receiver, _) = released();
    let other = secret(4)
        .release(&of(1), &receiver.public(), &[7; 32])
        .unwrap();
    let verdict = other.verify(&of(1), &holder.public(), &receiver.public());
    assert_eq!(verdict, Err(BadRelease));
    // The first of the two points, and with it the logarithm, of one; the second of the other.
    let (_, _, good) = released();
    let mut mixed = good;
    mixed.released.0[32..].copy_from_slice(&other.released.0[32..]);
    let verdict = mixed.verify(&of(1), &holder.public(), &receiver.public());
    assert_eq!(verdict, Err(BadRelease));
}

#[test]
fn both_sides_can_show_the_key() {
    let (holder, receiver, release) = released();
    let key = holder.key(&of(1));
    let by_holder = holder.show(&of(1));
    assert_eq!(
        by_holder.by_holder(&of(1), &holder.public()),
        Some(key.clone())
    );
    let by_receiver = release.released.show(&receiver).unwrap();
    let shown = by_receiver.by_receiver(&release.released, &receiver.public());
    assert_eq!(shown, Some(key));
    // Neither counts as the other.
    assert_eq!(by_receiver.by_holder(&of(1), &holder.public()), None);
    assert_eq!(
        by_holder.by_receiver(&release.released, &receiver.public()),
        None
    );
    assert_eq!(by_holder.by_holder(&of(2), &holder.public()), None);
}

#[test]
fn nobody_can_show_another_key() {
    let (holder, receiver, release) = released();
    for (shown, is_holder) in [
        (holder.show(&of(1)), true),
        (release.released.show(&receiver).unwrap(), false),
    ] {
        let bytes = borsh::to_vec(&shown).unwrap();
        for place in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[place] ^= 1;
            let altered: Shown = borsh::from_slice(&altered).unwrap();
            let found = match is_holder {
                true => altered.by_holder(&of(1), &holder.public()),
                false => altered.by_receiver(&release.released, &receiver.public()),
            };
            assert_eq!(found, None, "byte {place}");
        }
    }
    // A receiver that shows what it likes, with a secret that is not behind its key.
    let lied = release.released.show(&secret(5)).unwrap();
    assert_eq!(
        lied.by_receiver(&release.released, &receiver.public()),
        None
    );
}

#[test]
fn what_is_shown_is_written_as_text_too() {
    let (_, receiver, release) = released();
    let shown = release.released.show(&receiver).unwrap();
    let text = serde_json::to_string(&shown).unwrap();
    assert_eq!(text.len(), 2 + 2 * 96);
    assert!(serde_json::from_str::<Shown>(&text).unwrap() == shown);
    for wrong in ["\"\"", "\"00\"", "5"] {
        assert!(serde_json::from_str::<Shown>(wrong).is_err());
    }
}

#[test]
fn locks_that_lock_nothing_are_refused() {
    let identity = LockKey([0; 32]);
    let odd = LockKey([0xff; 32]);
    for bad in [identity, odd] {
        assert_eq!(bad.check(), Err(BadLock(bad)));
        assert!(secret(1).release(&of(1), &bad, &[7; 32]).is_err());
    }
    assert_eq!(secret(1).public().check(), Ok(()));
}

/// What a key is must not change: results are encrypted under it.
#[test]
fn golden() {
    let (holder, receiver, release) = released();
    assert_eq!(
        holder.public().to_string(),
        "7c48bd4ea1c3f55f3a558a56e13567b527016c3bb71cfaa183fa7eba63fb5a7d"
    );
    let key = holder.key(&of(1)).file_key("state", 0);
    assert_eq!(
        hex::encode(key.0),
        "031b724bba208092972f6ceecf688db78456843c8468b0a603ba57c497eb2b5d"
    );
    let again = holder.release(&of(1), &receiver.public(), &[7; 32]);
    assert_eq!(again, Ok(release));
}
