//! Answers of name servers.

use skynet_wire::dns::{Records, Type, answer, query};

/// Any bytes are refused or read, strictly or not; what a strict reading finds, the other finds as well.
pub fn check(bytes: &[u8]) {
    let strict = answer(bytes, Records::OfTheName);
    let all = answer(bytes, Records::All);
    assert_eq!(strict.is_ok(), all.is_ok());
    if let (Ok(strict), Ok(all)) = (strict, all) {
        assert!(strict.v4.iter().all(|address| all.v4.contains(address)));
        assert!(strict.v6.iter().all(|address| all.v6.contains(address)));
        assert!(strict.services.len() <= all.services.len());
        // A name that can be read can be asked for, unless its labels have dots of their own.
        let _ = query(strict.id, &strict.name, Type::Aaaa);
    }
}
