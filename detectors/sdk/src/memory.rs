//! The allocator of a component: a tenth of the code of the C library's.
//!
//! Blocks of a size class are never split or joined; a freed one waits in the
//! list of its class. With four classes for each doubling a block is at most a
//! quarter larger than asked for (and 8 bytes for its header), and what batches
//! of varying size leave behind is a few times the largest.
//!
//! A block begins 8 bytes before a multiple of 16 with its [`Header`]; what
//! follows is the caller's, or, in a free block, the address of the next free
//! one. Everything a component allocates comes from here: it is the C library's
//! `malloc` under its own names, which Rust's standard library uses.

use std::ptr::null_mut;

/// Blocks are multiples of this, and what callers get is aligned to it.
const UNIT: usize = 16;
const HEADER: usize = size_of::<Header>();
/// Enough for 4 GiB.
const CLASSES: usize = 108;

#[repr(C)]
struct Header {
    class: u32,
    /// How far into a block a caller's memory begins: not 0 only when aligned
    /// to more than a unit; the header is then written again right before it.
    offset: u32,
}

/// New memory: as many bytes at least, aligned to a unit.
type Grow = fn(usize) -> Option<(*mut u8, usize)>;

struct Heap {
    free: [*mut u8; CLASSES],
    /// Memory that was never given out.
    next: *mut u8,
    left: usize,
    grow: Grow,
}

/// The class of the smallest blocks that hold so many bytes and a header.
fn class_of(size: usize) -> usize {
    let most = (size + HEADER - 1) / UNIT;
    if most < 4 {
        return most;
    }
    let log = most.ilog2() as usize;
    (log - 1) * 4 + (most >> (log - 2) & 3)
}

/// What a block of this class holds beside its header.
fn capacity_of(class: usize) -> usize {
    let units = match class {
        0..4 => class + 1,
        _ => (5 + class % 4) << (class / 4 - 1),
    };
    units * UNIT - HEADER
}

impl Heap {
    const fn new(grow: Grow) -> Self {
        Self {
            free: [null_mut(); CLASSES],
            next: null_mut(),
            left: 0,
            grow,
        }
    }

    /// Null when there is no more.
    fn allocate(&mut self, size: usize) -> *mut u8 {
        if size > isize::MAX as usize / 2 {
            return null_mut();
        }
        let class = class_of(size);
        let Some(first) = self.free.get_mut(class) else {
            return null_mut();
        };
        if first.is_null() {
            return self.carve(class);
        }
        let block = *first;
        // SAFETY: a block in the list is free and holds the address of the next.
        *first = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    fn carve(&mut self, class: usize) -> *mut u8 {
        let size = capacity_of(class) + HEADER;
        if self.left < size {
            let Some((start, length)) = (self.grow)(size + UNIT) else {
                return null_mut();
            };
            // The header comes first, then what is aligned. What was left is lost.
            self.next = start.wrapping_add(UNIT - HEADER);
            self.left = length - UNIT;
        }
        let block = self.next.wrapping_add(HEADER);
        self.next = self.next.wrapping_add(size);
        self.left -= size;
        let class = class as u32;
        // SAFETY: `size` bytes from the header on are ours and in no other block.
        unsafe { header(block).write(Header { class, offset: 0 }) };
        block
    }

    /// `align` is a power of two.
    fn allocate_aligned(&mut self, align: usize, size: usize) -> *mut u8 {
        if align <= UNIT {
            return self.allocate(size);
        }
        let block = self.allocate(size.saturating_add(align));
        let offset = block.align_offset(align);
        if block.is_null() || offset == 0 {
            return block;
        }
        let aligned = block.wrapping_add(offset);
        let header_of = Header {
            class: 0,
            offset: offset as u32,
        };
        // SAFETY: both are multiples of a unit apart and inside of the block.
        unsafe { header(aligned).write(header_of) };
        aligned
    }

    /// # Safety
    /// `memory` came from this heap and is not used any more.
    unsafe fn release(&mut self, memory: *mut u8) {
        // SAFETY: as the caller promises.
        let (block, class) = unsafe { block_of(memory) };
        if let Some(first) = self.free.get_mut(class) {
            // SAFETY: the smallest block has room for an address.
            unsafe { block.cast::<*mut u8>().write(*first) };
            *first = block;
        }
    }

    /// # Safety
    /// As for [`release`](Self::release).
    unsafe fn resize(&mut self, memory: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let (block, class) = unsafe { block_of(memory) };
        let held = capacity_of(class) - memory.addr().wrapping_sub(block.addr());
        if size <= held && size >= held / 2 {
            return memory;
        }
        let new = self.allocate(size);
        if !new.is_null() {
            // SAFETY: the new block is another one, and each has that many bytes.
            unsafe {
                new.copy_from_nonoverlapping(memory, size.min(held));
                self.release(memory);
            }
        }
        new
    }
}

fn header(memory: *mut u8) -> *mut Header {
    memory.wrapping_sub(HEADER).cast()
}

/// The block in which a caller's memory lies, and its class.
///
/// # Safety
/// `memory` came from a heap and was not released since.
unsafe fn block_of(memory: *mut u8) -> (*mut u8, usize) {
    // SAFETY: a header is before what callers get, and one is before its block.
    unsafe {
        let offset = (*header(memory)).offset;
        let block = memory.wrapping_sub(offset as usize);
        (block, (*header(block)).class as usize)
    }
}

/// The C library's functions. A component has one thread.
#[cfg(target_family = "wasm")]
mod exported {
    use std::ptr::null_mut;

    use super::Heap;

    const PAGE: usize = 65_536;

    static mut HEAP: Heap = Heap::new(|size| {
        let pages = size.div_ceil(PAGE);
        let before = core::arch::wasm32::memory_grow::<0>(pages);
        let start = std::ptr::with_exposed_provenance_mut(before.checked_mul(PAGE)?);
        (before != usize::MAX).then_some((start, pages * PAGE))
    });

    fn with<T>(job: impl FnOnce(&mut Heap) -> T) -> T {
        // SAFETY: one thread, and no job allocates while it runs.
        job(unsafe { &mut *(&raw mut HEAP) })
    }

    #[unsafe(no_mangle)]
    extern "C" fn malloc(size: usize) -> *mut u8 {
        with(|heap| heap.allocate(size))
    }

    #[unsafe(no_mangle)]
    extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
        let Some(size) = count.checked_mul(size) else {
            return null_mut();
        };
        let memory = with(|heap| heap.allocate(size));
        if !memory.is_null() {
            // SAFETY: it has that many bytes.
            unsafe { memory.write_bytes(0, size) };
        }
        memory
    }

    #[unsafe(no_mangle)]
    extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut u8 {
        with(|heap| heap.allocate_aligned(align, size))
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(to: *mut *mut u8, align: usize, size: usize) -> i32 {
        const ENOMEM: i32 = 48;
        let memory = aligned_alloc(align, size);
        if memory.is_null() {
            return ENOMEM;
        }
        // SAFETY: the caller says where to.
        unsafe { to.write(memory) };
        0
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(memory: *mut u8, size: usize) -> *mut u8 {
        if memory.is_null() {
            return malloc(size);
        }
        // SAFETY: the caller got it here.
        with(|heap| unsafe { heap.resize(memory, size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(memory: *mut u8) {
        if !memory.is_null() {
            // SAFETY: the caller got it here.
            with(|heap| unsafe { heap.release(memory) });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Never given back: some memory of a test.
    fn grow(size: usize) -> Option<(*mut u8, usize)> {
        let size = size.next_multiple_of(4096);
        let memory = vec![0_u128; size / UNIT].leak();
        Some((memory.as_mut_ptr().cast(), size))
    }

    #[test]
    fn classes_fit_tightly() {
        for size in 0..100_000 {
            let class = class_of(size);
            assert!(capacity_of(class) >= size);
            assert!(class == 0 || capacity_of(class - 1) < size);
            assert!(capacity_of(class) <= size + size / 4 + 2 * UNIT);
        }
        assert!(class_of(1 << 31) < CLASSES);
    }

    #[test]
    fn memory_is_used_again() {
        let mut heap = Heap::new(grow);
        let first = heap.allocate(100);
        // SAFETY: it came from this heap.
        unsafe { heap.release(first) };
        assert_eq!(heap.allocate(90), first);
        assert_ne!(heap.allocate(90), first);
        assert!(heap.allocate(usize::MAX).is_null());
    }

    #[test]
    fn no_more_memory_is_null() {
        let mut heap = Heap::new(|_| None);
        assert!(heap.allocate(1).is_null());
        assert!(heap.allocate_aligned(64, 1).is_null());
    }

    proptest! {
        /// Every block keeps what was written to it.
        #[test]
        fn blocks_do_not_overlap(jobs in vec((0_usize..8, 0_usize..3000, 0_u32..8), 1..200)) {
            let mut heap = Heap::new(grow);
            let mut held: [Option<(*mut u8, usize, u8)>; 8] = [None; 8];
            for (number, (slot, size, align)) in jobs.into_iter().enumerate() {
                let mark = number as u8;
                let (memory, known, old) = match held[slot].take() {
                    // SAFETY: it came from this heap and is this large.
                    Some((memory, length, old)) => unsafe {
                        let bytes = std::slice::from_raw_parts(memory, length);
                        prop_assert!(bytes.iter().all(|byte| *byte == old));
                        if number % 3 == 0 {
                            heap.release(memory);
                            continue;
                        }
                        (heap.resize(memory, size), length.min(size), old)
                    },
                    None => {
                        let memory = heap.allocate_aligned(1 << align, size);
                        prop_assert_eq!(memory.addr() % (1 << align), 0);
                        (memory, 0, 0)
                    }
                };
                prop_assert_eq!(memory.addr() % UNIT, 0);
                // SAFETY: it has room for `size` bytes.
                unsafe {
                    let bytes = std::slice::from_raw_parts(memory, known);
                    prop_assert!(bytes.iter().all(|byte| *byte == old));
                    memory.write_bytes(mark, size);
                }
                held[slot] = Some((memory, size, mark));
            }
        }
    }
}
