//! Files that were compressed: what is in them?

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

/// More than this is not unpacked, in bytes.
const MOST: u64 = 1 << 32;

/// The content of a file, unpacked if it was packed.
pub(crate) struct Unpacked<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    /// Why this is not all of it, in words.
    pub(crate) problem: Option<String>,
}

/// Unpacks a file that `gzip` or `zstd` wrote; any other file stays as it is.
///
/// # Errors
///
/// In words, if the file was packed by another program.
pub(crate) fn unpack(file: &[u8]) -> Result<Unpacked<'_>, String> {
    const OTHERS: [(&[u8], &str); 4] = [
        (b"\xFD7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
        (b"\x04\x22\x4D\x18", "lz4"),
        (b"PK\x03\x04\x14\0", "zip"),
    ];
    if file.starts_with(b"\x1F\x8B") {
        return Ok(Unpacked::read(|bytes| {
            MultiGzDecoder::new(file)
                .take(MOST)
                .read_to_end(bytes)
                .map(drop)
        }));
    }
    if is_zstd(file) {
        return Ok(Unpacked::read(|bytes| unpack_zstd(file, bytes)));
    }
    if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| file.starts_with(magic)) {
        return Err(format!(
            "compressed with {name}, which cannot be unpacked here; gzip and zstd can"
        ));
    }
    Ok(Unpacked {
        bytes: Cow::Borrowed(file),
        problem: None,
    })
}

/// Whether the file begins with a frame of Zstandard, perhaps one that is to be skipped (RFC 8878,
/// section 3.1).
fn is_zstd(file: &[u8]) -> bool {
    const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
    let mut rest = file;
    // A PUBREC packet can begin like a frame to be skipped.
    while let [0x50..=0x5F, 0x2A, 0x4D, 0x18, a, b, c, d, after @ ..] = rest {
        let length = u32::from_le_bytes([*a, *b, *c, *d]);
        rest = after.get(length as usize..).unwrap_or_default();
    }
    rest.starts_with(&MAGIC)
}

fn unpack_zstd(mut file: &[u8], bytes: &mut Vec<u8>) -> io::Result<()> {
    while !file.is_empty() {
        match StreamingDecoder::new(&mut file) {
            Ok(decoder) => {
                let left = MOST.saturating_sub(bytes.len() as u64);
                decoder.take(left).read_to_end(bytes)?;
                if bytes.len() as u64 >= MOST {
                    break;
                }
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => file = file.get(length as usize..).unwrap_or_default(),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(())
}

impl Unpacked<'_> {
    /// Keeps what was unpacked before an error: the program that wrote the file may have been killed.
    fn read(unpack: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Self {
        let mut bytes = Vec::new();
        let problem = match unpack(&mut bytes) {
            Ok(()) if bytes.len() as u64 >= MOST => {
                Some(format!("only the first {} GiB were unpacked", MOST >> 30))
            }
            Ok(()) => None,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Some("the compressed file ends too early".to_owned())
            }
            Err(error) => Some(format!("the compressed file is damaged: {error}")),
        };
        Unpacked {
            bytes: Cow::Owned(bytes),
            problem,
        }
    }
}
