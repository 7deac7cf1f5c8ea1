//! Sealing, password hashes and the rest of what new code should use.

use skynet_crypt::modern::{self, PasswordCost};
use skynet_crypt::{Error, digest, text};

const CHEAP: PasswordCost = PasswordCost {
    memory: 64,
    passes: 1,
    lanes: 1,
};

#[test]
fn what_was_sealed_opens() {
    let key = [7; modern::KEY];
    for size in [0, 1, 15, 16, 17, 4096] {
        let plain: Vec<u8> = (0..size).map(|i| i as u8).collect();
        let sealed = modern::seal(&key, &plain, b"header").unwrap();
        assert_eq!(sealed.len(), plain.len() + 12 + 16);
        assert_eq!(modern::open(&key, &sealed, b"header").unwrap(), plain);
        assert_ne!(modern::seal(&key, &plain, b"header").unwrap(), sealed);
    }
}

#[test]
fn a_change_anywhere_is_noticed() {
    let key = [7; modern::KEY];
    let sealed = modern::seal(&key, b"gold=10", b"user 1").unwrap();
    for i in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[i] ^= 1;
        assert_eq!(
            modern::open(&key, &changed, b"user 1"),
            Err(Error::Sealed),
            "byte {i}"
        );
    }
    assert_eq!(modern::open(&key, &sealed, b"user 2"), Err(Error::Sealed));
    assert_eq!(
        modern::open(&[8; 32], &sealed, b"user 1"),
        Err(Error::Sealed)
    );
    assert_eq!(
        modern::open(&key, &sealed[..11], b"user 1"),
        Err(Error::Sealed)
    );
    let error = modern::open(&[1; 16], &sealed, b"").unwrap_err();
    assert_eq!(error.to_string(), "AES-256 key of 16 bytes, need 32");
}

/// Test case 16 of the GCM specification, with its nonce in front of cipher text and tag.
#[test]
fn a_published_example_opens() {
    let hex = |s: &str| text::hex_decode(s.as_bytes()).unwrap();
    let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    let sealed = hex(concat!(
        "cafebabefacedbaddecaf888",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ));
    let data = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let plain = hex(concat!(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    ));
    assert_eq!(modern::open(&key, &sealed, &data).unwrap(), plain);
}

#[test]
fn passwords_are_verified() {
    let hash = modern::hash_password(b"secret", CHEAP).unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
    assert_ne!(hash, modern::hash_password(b"secret", CHEAP).unwrap());
    assert_eq!(modern::verify_password(b"secret", &hash), Ok(true));
    assert_eq!(modern::verify_password(b"Secret", &hash), Ok(false));
    assert_eq!(modern::verify_password(b"", &hash), Ok(false));
    for bad in ["", "secret", "$2b$12$abc", "$argon2id$v=19$m=64"] {
        assert_eq!(
            modern::verify_password(b"secret", bad),
            Err(Error::PasswordHash),
            "{bad}"
        );
    }
}

/// A string out of a database does not decide that a node takes 4 GB.
#[test]
fn the_cost_of_a_hash_is_bounded() {
    let hash = modern::hash_password(b"secret", CHEAP).unwrap();
    for (from, to) in [("m=64", "m=4194304"), ("t=1", "t=1000000"), ("p=1", "p=17")] {
        let costly = hash.replace(from, to).replace("m=64", "m=4096");
        let error = modern::verify_password(b"secret", &costly).unwrap_err();
        assert!(matches!(error, Error::PasswordCost(_)), "{to}: {error}");
    }
    let none = PasswordCost { passes: 0, ..CHEAP };
    assert!(matches!(
        modern::hash_password(b"", none),
        Err(Error::PasswordCost(_))
    ));
}

#[test]
fn digests_are_those_of_their_standards() {
    let hex = |bytes: &[u8]| String::from_utf8(text::hex_encode(bytes)).unwrap();
    assert_eq!(
        hex(&digest::sha256(b"abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        hex(&digest::sha512(b"abc")),
        concat!(
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a",
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        )
    );
    // RFC 4231, test case 2.
    assert_eq!(
        hex(&digest::hmac_sha256(
            b"Jefe",
            b"what do ya want for nothing?"
        )),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(
        hex(&digest::hmac_sha512(
            b"Jefe",
            b"what do ya want for nothing?"
        )),
        concat!(
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554",
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        )
    );
}

#[test]
fn uuids_have_their_version_and_differ() {
    let (a, b) = (modern::uuid_v4(), modern::uuid_v4());
    assert_ne!(a, b);
    assert_eq!((a.len(), &a[14..15]), (36, "4"));
    let sorted: Vec<String> = (0..1000).map(|_| modern::uuid_v7()).collect();
    assert!(sorted.is_sorted());
    assert_eq!(&sorted[0][14..15], "7");
}

#[test]
fn comparison_and_random_bytes() {
    assert!(modern::equal(b"", b"") && modern::equal(b"abc", b"abc"));
    assert!(!modern::equal(b"abc", b"abd") && !modern::equal(b"abc", b"abcd"));
    assert_eq!(modern::random_bytes(40).unwrap().len(), 40);
    assert_ne!(
        modern::random_bytes(40).unwrap(),
        modern::random_bytes(40).unwrap()
    );
}
