//! Standard output.

use std::io;
use std::time::SystemTime;

use mqtt5_tokio::Message;
use tokio::io::{AsyncWriteExt, BufWriter, Stdout};

use super::{Failure, Format};

/// Standard output, to which messages are written in one form.
///
/// A slow reader holds up only the program's own work: the connection is kept alive meanwhile.
#[derive(Debug)]
pub struct Output {
    format: Format,
    stdout: BufWriter<Stdout>,
    line: Vec<u8>,
}

/// Whether anybody reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was written.
    Yes,
    /// The other end of the pipe is closed.
    NobodyReads,
}

impl Written {
    /// Of two writes, whether somebody reads them.
    #[must_use]
    pub const fn and(self, other: Written) -> Written {
        match self {
            Written::Yes => other,
            Written::NobodyReads => Written::NobodyReads,
        }
    }
}

impl Output {
    /// Standard output, with messages in this form.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Output {
            format,
            stdout: BufWriter::with_capacity(1 << 16, tokio::io::stdout()),
            line: Vec::new(),
        }
    }

    /// Writes a message. It may stay in a buffer until [`Output::flush`].
    ///
    /// # Errors
    ///
    /// Standard output cannot be written to.
    pub async fn write(&mut self, message: &Message) -> Result<Written, Failure> {
        self.line.clear();
        let arrived = SystemTime::now();
        self.format.write(message, arrived, &mut self.line);
        written(self.stdout.write_all(&self.line).await)
    }

    /// Writes what is left in the buffer.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written to.
    pub async fn flush(&mut self) -> Result<Written, Failure> {
        written(self.stdout.flush().await)
    }
}

fn written(result: io::Result<()>) -> Result<Written, Failure> {
    match result {
        Ok(()) => Ok(Written::Yes),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Written::NobodyReads),
        Err(error) => {
            let text = format!("Standard output cannot be written to: {error}.");
            Err(Failure::Local(text))
        }
    }
}
