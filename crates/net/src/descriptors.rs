//! How many descriptors the process may have.

/// More than this is of no use to a node, and a burden to programs that close all descriptors that they could have
/// inherited.
const MOST: u64 = 1 << 20;

/// Raises the process's soft limit of descriptors as far as the system allows, to about a million at most. What it is
/// then; `None` where the system has no such limit, or does not tell.
pub fn raise_descriptor_limit() -> Option<u64> {
    match rlimit::increase_nofile_limit(MOST) {
        Ok(limit) => Some(limit),
        Err(_) => limit(),
    }
}

/// The soft limit.
pub(crate) fn limit() -> Option<u64> {
    let limits = rlimit::getrlimit(rlimit::Resource::NOFILE).ok();
    limits.map(|(soft, _)| soft)
}
