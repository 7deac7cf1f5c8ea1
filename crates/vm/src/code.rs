//! Compiled code, as the cache holds it.

use std::sync::Arc;

use skynet_kernel::text;

#[cfg(feature = "shared-code")]
use crate::shared::SharedFunction;

/// Compiled code at a fixed, aligned address.
pub struct Image {
    words: Box<[u64]>,
    len: usize,
    assigned_loop: Option<u32>,
}

impl Image {
    pub(crate) fn new(bytes: &[u8], assigned_loop: Option<u32>) -> Image {
        let mut words = vec![0u64; bytes.len().div_ceil(8)].into_boxed_slice();
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut b = [0; 8];
            b[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_ne_bytes(b);
        }
        Image {
            words,
            len: bytes.len(),
            assigned_loop,
        }
    }

    /// The bytecode.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: any bytes of an initialised slice may be read as `u8`; `len` is at most its size.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }
}

/// A compiled file.
#[derive(Clone)]
pub enum Code {
    /// The functions themselves, for all states.
    #[cfg(feature = "shared-code")]
    Shared(Arc<SharedFunction>),
    /// Bytecode in the cache.
    Cached(Arc<Image>),
    /// Bytecode for one load, or to be copied by each.
    Private(Arc<Image>),
}

impl Code {
    /// The line of the first assignment to the variable of a loop, in a source of Lua 5.4.
    pub fn assigned_loop(&self) -> Option<u32> {
        match self {
            #[cfg(feature = "shared-code")]
            Code::Shared(function) => function.assigned_loop(),
            Code::Cached(image) | Code::Private(image) => image.assigned_loop,
        }
    }

    /// What stays in an image must have line numbers: Lua takes a function for one that has, if its table of them lies
    /// somewhere. A file that was compiled elsewhere may have none.
    pub(crate) fn from_image(source: &[u8], image: Arc<Image>) -> Code {
        if source.starts_with(b"\x1bLua") {
            Code::Private(image)
        } else {
            Code::Cached(image)
        }
    }
}

/// Why a file gives no function.
pub enum LoadError {
    /// Can't be read: `cannot open x: reason`.
    Open(String),
    /// Does not compile.
    Compile(Vec<u8>),
}

impl LoadError {
    /// The text for the user.
    pub fn text(&self) -> Vec<u8> {
        match self {
            LoadError::Open(s) => text::to_bytes(s).into_owned(),
            LoadError::Compile(s) => s.clone(),
        }
    }
}
