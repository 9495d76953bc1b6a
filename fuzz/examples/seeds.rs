//! Writes the seed corpora anew: `cargo run -p mqtt5-fuzz --example seeds`.

use std::path::Path;
use std::{fs, io};

use mqtt5_fuzz::{corpus, seeds};

fn main() -> io::Result<()> {
    // What the canary panics about is left out; its backtraces say nothing.
    std::panic::set_hook(Box::new(|_| {}));
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec-tests/vectors");
    for (target, seeds) in seeds::all(&vectors)? {
        let directory = corpus().join(target);
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        let mut bytes = 0;
        for (name, seed) in &seeds {
            fs::write(directory.join(name), seed)?;
            bytes += seed.len();
        }
        println!("{target}: {} seeds, {bytes} bytes", seeds.len());
    }
    Ok(())
}
