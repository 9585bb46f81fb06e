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

/// Lets the allocator map large buffers each on its own, so that their memory goes back when they are
/// freed. By default glibc learns from buffers that are freed to keep them: a process that compiles a
/// snapshot from time to time then holds ten times what it needs. It concerns all of the process, so
/// that it is only for those that do nothing else.
#[cfg(feature = "cli")]
pub(crate) fn keep_nothing_large() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const LARGE: libc::c_int = 1 << 20;
        #[expect(unsafe_code, reason = "a C function")]
        // SAFETY: it takes two numbers, changes how later allocations are made, and may be called
        // from any thread. Where it refuses, all stays as it is.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        }
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
