//! What a light client believes, and what it does not.

use assay_chain::light::{CertifiedHeader, LightClient, LightError, verify};
use assay_chain::{Chain, ProveError};
use assay_crypto::Digest;
use assay_ledger::Height;

use crate::support::{Network, key, stop_all, wait_for, wait_height, wait_included};

fn certified(chain: &Chain, height: u64) -> CertifiedHeader {
    wait_for("a certificate", || chain.certified(Height(height)).is_ok());
    chain.certified(Height(height)).unwrap()
}

#[test]
fn light_clients_accept_the_truth_and_nothing_else() {
    let network = Network::new();
    let chains = network.start_all();
    let chain = &chains[0];
    // The first block has no beacon that could be forged.
    wait_height(&[chain], 1);
    let to = key(200).public();
    let ids: Vec<_> = (0..3u64)
        .map(|nonce| {
            chain
                .submit(network.transfer(nonce, to, 1).encode())
                .unwrap()
        })
        .collect();
    let included = wait_included(chain, &ids[2]).0;
    // A block may also be final by the certificate of a descendant; this one has its own.
    let height = (included..)
        .find(|height| certified(chain, *height).descendants.is_empty())
        .unwrap();
    wait_height(&[chain], height + 3);
    let client = LightClient::new(&network.genesis).unwrap();

    // A header, its encoding, and evidence by way of descendants.
    let evidence = certified(chain, height);
    client.verify(&evidence).unwrap();
    verify(&evidence, &network.genesis).unwrap();
    assert_eq!(
        CertifiedHeader::decode(&evidence.to_bytes()).unwrap(),
        evidence
    );
    let above = certified(chain, height + 2);
    let between = certified(chain, height + 1).header;
    let mut descendants = vec![between, above.header];
    descendants.extend(above.descendants);
    let mut indirect = CertifiedHeader {
        header: evidence.header.clone(),
        descendants,
        certificate: above.certificate.clone(),
    };
    client.verify(&indirect).unwrap();
    assert_eq!(
        CertifiedHeader::decode(&indirect.to_bytes()).unwrap(),
        indirect
    );
    indirect.descendants.remove(0);
    assert!(matches!(
        client.verify(&indirect),
        Err(LightError::Broken(_))
    ));

    // Every field of the header matters.
    let lies: [fn(&mut assay_chain::Header); 8] = [
        |header| header.height.0 += 1,
        |header| header.parent = Digest::ZERO,
        |header| header.view += 1,
        |header| header.timestamp_ms += 1,
        |header| header.beacon = None,
        |header| header.tx_root = Digest::ZERO,
        |header| header.state_root = Digest::ZERO,
        |header| header.receipts_root = Digest::ZERO,
    ];
    for lie in lies {
        let mut forged = evidence.clone();
        lie(&mut forged.header);
        assert_eq!(client.verify(&forged), Err(LightError::OtherBlock));
    }
    // So does every byte of the certificate, and whose network it is.
    for index in 0..evidence.certificate.len() {
        let mut forged = evidence.clone();
        forged.certificate[index] ^= 1;
        client.verify(&forged).unwrap_err();
    }
    let mut swapped = evidence.clone();
    swapped.certificate = above.certificate;
    assert_eq!(client.verify(&swapped), Err(LightError::OtherBlock));
    assert_eq!(
        verify(&evidence, &Network::new().genesis),
        Err(LightError::BadCertificate),
        "same validators and shares, another genesis"
    );

    // State: presence, absence, and lies about both.
    let account = [b"a".as_slice(), &to.0].concat();
    let proven = chain.prove(&account).unwrap();
    assert!(proven.value.is_some());
    client.verify_state(&account, &proven).unwrap();
    let absent_key = [b"a".as_slice(), &key(201).public().0].concat();
    let absent = chain.prove(&absent_key).unwrap();
    assert_eq!(absent.value, None);
    client.verify_state(&absent_key, &absent).unwrap();
    client.verify_state(&absent_key, &proven).unwrap_err();
    let mut forged = proven.clone();
    forged.value = None;
    assert_eq!(
        client.verify_state(&account, &forged),
        Err(LightError::BadProof("state"))
    );
    forged.value = Some(vec![0xff; 16]);
    assert_eq!(
        client.verify_state(&account, &forged),
        Err(LightError::BadProof("state"))
    );

    // Transactions with their receipts.
    for id in &ids {
        let proven = chain.prove_transaction(id).unwrap();
        client.verify_transaction(&proven).unwrap();
        let mut forged = proven.clone();
        forged.transaction = network.transfer(0, to, 9).encode();
        assert_eq!(
            client.verify_transaction(&forged),
            Err(LightError::BadProof("transaction"))
        );
        let mut forged = proven.clone();
        forged.receipt.fee.0 += 1;
        assert_eq!(
            client.verify_transaction(&forged),
            Err(LightError::BadProof("receipts"))
        );
    }
    let unknown = network.transfer(77, to, 1).id();
    assert!(matches!(
        chain.prove_transaction(&unknown),
        Err(ProveError::Unknown)
    ));
    assert!(matches!(
        chain.certified(Height(1 << 40)),
        Err(ProveError::Unknown)
    ));
    stop_all(&chains);
}
