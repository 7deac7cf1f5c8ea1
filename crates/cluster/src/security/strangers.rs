//! Those who could not prove themselves, by address: what the log tells of them, and who has to wait.
//!
//! For each address and reason the log has one line a minute, with the number of those that were left out. Who has given
//! ten wrong proofs within a minute is answered after a second.

use std::net::IpAddr;

use rustc_hash::FxHashMap;
use skynet_wire::cluster::handshake::Refused;

/// Centiseconds.
const MINUTE: u64 = 6000;
/// Wrong proofs in a minute without having to wait.
const FREE: u32 = 10;
/// Addresses that are remembered. There may be as many as strangers like to have.
const MOST: usize = 4096;

#[derive(Default)]
struct Minute {
    since: u64,
    count: u32,
}

#[derive(Default)]
pub(crate) struct Strangers {
    /// Lines, by address and reason.
    told: FxHashMap<(IpAddr, u8), Minute>,
    wrong: FxHashMap<IpAddr, Minute>,
}

impl Strangers {
    /// Is something to be told of this address? How many times it was not since the last line.
    pub(crate) fn tell(&mut self, ip: IpAddr, reason: Refused, now_cs: u64) -> Option<u32> {
        let key = (ip, reason.number());
        if let Some(minute) = self.told.get_mut(&key)
            && now_cs < minute.since + MINUTE
        {
            minute.count = minute.count.saturating_add(1);
            return None;
        }
        make_room(&mut self.told, now_cs);
        let before = self.told.insert(
            key,
            Minute {
                since: now_cs,
                count: 0,
            },
        );
        Some(before.map_or(0, |minute| minute.count))
    }

    /// A wrong proof has come from there.
    pub(crate) fn wrong(&mut self, ip: IpAddr, now_cs: u64) {
        make_room(&mut self.wrong, now_cs);
        let minute = self.wrong.entry(ip).or_default();
        if minute.count == 0 || now_cs >= minute.since + MINUTE {
            *minute = Minute {
                since: now_cs,
                count: 0,
            };
        }
        minute.count = minute.count.saturating_add(1);
    }

    /// Is this address to be answered later?
    pub(crate) fn waits(&self, ip: IpAddr, now_cs: u64) -> bool {
        let minute = self.wrong.get(&ip);
        minute.is_some_and(|minute| minute.count > FREE && now_cs < minute.since + MINUTE)
    }
}

/// Forgets what is over, or everything.
fn make_room<K: std::hash::Hash + Eq>(map: &mut FxHashMap<K, Minute>, now_cs: u64) {
    if map.len() >= MOST {
        map.retain(|_, minute| now_cs < minute.since + MINUTE);
        if map.len() >= MOST {
            map.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_line_a_minute_with_the_count() {
        let mut strangers = Strangers::default();
        assert_eq!(strangers.tell(IP, Refused::Proof, 100), Some(0));
        for _ in 0..7 {
            assert_eq!(strangers.tell(IP, Refused::Proof, 200), None);
        }
        assert_eq!(strangers.tell(IP, Refused::Late, 200), Some(0));
        assert_eq!(strangers.tell(IP, Refused::Proof, 100 + MINUTE), Some(7));
    }

    #[test]
    fn who_is_often_wrong_waits() {
        let mut strangers = Strangers::default();
        for _ in 0..FREE {
            strangers.wrong(IP, 1);
        }
        assert!(!strangers.waits(IP, 2));
        strangers.wrong(IP, 2);
        assert!(strangers.waits(IP, 3));
        assert!(!strangers.waits(IP, 1 + MINUTE));
    }

    #[test]
    fn there_is_a_bound() {
        let mut strangers = Strangers::default();
        for n in 0..3 * MOST as u32 {
            let ip = IpAddr::V4(std::net::Ipv4Addr::from(n));
            assert!(strangers.tell(ip, Refused::Proof, 5).is_some());
            strangers.wrong(ip, 5);
        }
        assert!(strangers.told.len() <= MOST && strangers.wrong.len() <= MOST);
    }
}
