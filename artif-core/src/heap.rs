//! What the allocator keeps of memory that was freed.

/// Gives it back to the system, where the allocator of the C library has a way to: glibc keeps what
/// threads free for later allocations of the same threads, and a thread that opened a ledger or
/// compiled a snapshot is gone. Takes milliseconds; other allocators of the process are not touched.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a C function")]
    // SAFETY: it takes no pointer and is documented as safe to call from any thread at any time; it
    // releases pages that no allocation uses.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_allocated_stays_as_it_is() {
        let kept: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte; 10_000]).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(vec![vec![1_u8; 1000]; 10_000]));
            scope.spawn(super::give_back);
        });
        super::give_back();
        for (byte, bytes) in (0..=255_u8).zip(&kept) {
            assert!(bytes.iter().all(|b| *b == byte));
        }
    }
}
