//! `assay merge`: a model with an adapter in its own weights.

use std::path::PathBuf;

use assay_kernel::Kernel;
use assay_model::{
    ADAPTER_CONFIG, Adapter, Base, ModelSource, Precision, adapter_notes, merged_files, read_file,
    take_adapter_tokenizer,
};
use clap::Args;
use serde::Serialize;

use crate::{
    args::{self, Global},
    failure::Failure,
    output::{Output, facts},
    result_folder,
    trial::failed,
};

/// Put an adapter into the weights of its model
///
/// The result is a model folder in float32 that transformers and Assay load without the adapter.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay merge examples/glassllm adapter --out tuned")]
pub(crate) struct Merge {
    /// The model's folder or .gguf file
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The adapter's folder, as PEFT or Assay wrote it
    #[arg(value_name = "ADAPTER")]
    adapter: PathBuf,
    /// Where to write the merged model; must not exist or be empty
    #[arg(long, value_name = "DIR", value_parser = args::place())]
    out: PathBuf,
}

#[derive(Serialize)]
struct Merged {
    out: PathBuf,
    files: Vec<String>,
    bytes: usize,
    warnings: Vec<String>,
    /// What the files leave open or say differently from one another, and what of the adapter's
    /// settings is passed over.
    notes: Vec<String>,
}

impl Merge {
    pub(crate) fn run(self, _global: &Global, output: &Output) -> Result<(), Failure> {
        result_folder::claim(&self.out)?;
        let mut model = ModelSource::open(&self.model).map_err(failed)?;
        let note = take_adapter_tokenizer(&mut model.files, &self.adapter).map_err(failed)?;
        let files = model.files.clone();
        let base = Base::load(model, Precision::Float32).map_err(failed)?;
        let adapter = Adapter::load_peft(&self.adapter, base.config()).map_err(failed)?;
        let kernel = Kernel::detect().map_err(failed)?;
        let mut notes = base.tokenizer().map_err(failed)?.notes().to_vec();
        notes.extend(note.map(str::to_owned));
        let settings = read_file(&self.adapter, ADAPTER_CONFIG).map_err(failed)?;
        notes.extend(adapter_notes(&settings, base.config()).map_err(failed)?);
        output.notes(&notes);
        let mut warnings = Vec::new();
        if adapter.changes_nothing(&kernel, &base) {
            warnings.push("the adapter changes nothing: the result is the base model".to_owned());
        }
        let files = merged_files(&kernel, &base, files, &adapter).map_err(failed)?;
        let written = files.iter();
        let written: Vec<(&str, &[u8])> =
            written.map(|(name, bytes)| (&**name, &**bytes)).collect();
        result_folder::write(&self.out, &written)?;
        let merged = Merged {
            out: self.out,
            bytes: files.values().map(Vec::len).sum(),
            files: files.into_keys().collect(),
            warnings,
            notes,
        };
        output.warn(&merged.warnings);
        output.result(&merged, |merged| {
            facts([
                ("model", merged.out.display().to_string()),
                ("files", merged.files.join(", ")),
                ("bytes", merged.bytes.to_string()),
            ])
        })
    }
}
