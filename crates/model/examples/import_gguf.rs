//! Converts a GGUF file into a Hugging Face model folder: `import_gguf FILE.gguf FOLDER [f32|f16|bf16]`.
//!
//! f32, the default, keeps the dequantised values exactly. The folder must be empty or missing; it gets
//! its name once everything is written.

use std::error::Error;
use std::path::Path;

use assay_model::gguf::{Storage, convert};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, folder, storage) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        [file, folder] | [file, folder, "f32"] => (file, folder, Storage::F32),
        [file, folder, "f16"] => (file, folder, Storage::F16),
        [file, folder, "bf16"] => (file, folder, Storage::Bf16),
        _ => return Err("usage: import_gguf FILE.gguf FOLDER [f32|f16|bf16]".into()),
    };
    let folder = Path::new(folder);
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("{} is not empty; name another folder", folder.display()).into());
    }
    let files = convert(&std::fs::read(file)?, storage)?;
    let mut aside = folder.as_os_str().to_owned();
    aside.push(".unfinished");
    std::fs::create_dir_all(&aside)?;
    for (name, bytes) in files {
        std::fs::write(Path::new(&aside).join(name), bytes)?;
    }
    // An empty folder may stand there already.
    std::fs::create_dir_all(folder)?;
    std::fs::remove_dir(folder)?;
    std::fs::rename(&aside, folder)?;
    Ok(())
}
