//! The same model in f64, written from the formulas with no thought of speed.

use assay_data::Batch;
use assay_kernel::IGNORE;
use assay_model::{Adapter, Base, ModelConfig, Target};

type Matrix = Vec<Vec<f64>>;

pub(crate) struct Reference {
    config: ModelConfig,
    tensors: std::collections::HashMap<String, Vec<f64>>,
    pub(crate) adapter: std::collections::HashMap<String, Vec<f64>>,
    scale: f64,
    rank: usize,
}

impl Reference {
    pub(crate) fn new(base: &Base, adapter: &Adapter) -> Self {
        let assay_model::Method::Lora(lora) = adapter.method() else {
            panic!("the reference computes LoRA only");
        };
        let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let spec = base.spec().weights();
        let id = |i: usize| assay_model::WeightId(i as u32);
        let weight = |i: usize| (spec[i].name.clone(), wide(&base.weight(id(i))));
        let params = adapter.params().iter();
        Self {
            config: base.config().clone(),
            tensors: (0..spec.len()).map(weight).collect(),
            adapter: params
                .map(|p| (p.info.name.clone(), wide(&p.values)))
                .collect(),
            scale: f64::from(lora.lora_alpha()) / lora.r() as f64,
            rank: lora.r(),
        }
    }

    /// Mean loss over the labels that count.
    pub(crate) fn loss(&self, batch: &Batch) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for row in 0..batch.batch {
            let at = row * batch.seq..(row + 1) * batch.seq;
            let logits = self.forward(&batch.ids[at.clone()]);
            for (logits, label) in logits.iter().zip(&batch.labels[at]) {
                if *label == IGNORE {
                    continue;
                }
                let total: f64 = logits.iter().map(|x| x.exp()).sum();
                sum += total.ln() - logits[*label as usize];
                count += 1;
            }
        }
        sum / f64::from(count)
    }

    fn forward(&self, ids: &[u32]) -> Matrix {
        let hidden = self.config.hidden_size;
        let table = &self.tensors["model.embed_tokens.weight"];
        let mut x: Matrix = (ids.iter())
            .map(|id| table[*id as usize * hidden..][..hidden].to_vec())
            .collect();
        for layer in 0..self.config.num_hidden_layers {
            let norm = self.norm(&x, &format!("model.layers.{layer}.input_layernorm.weight"));
            let attended = self.attention(layer, &norm);
            add(&mut x, &self.linear(layer, Target::OProj, &attended));
            let name = format!("model.layers.{layer}.post_attention_layernorm.weight");
            let norm = self.norm(&x, &name);
            let mut gate = self.linear(layer, Target::GateProj, &norm);
            let up = self.linear(layer, Target::UpProj, &norm);
            for (gate, up) in gate.iter_mut().flatten().zip(up.iter().flatten()) {
                *gate = *gate / (1.0 + (-*gate).exp()) * up;
            }
            add(&mut x, &self.linear(layer, Target::DownProj, &gate));
        }
        let x = self.norm(&x, "model.norm.weight");
        let head = match self.config.tie_word_embeddings {
            true => "model.embed_tokens.weight",
            false => "lm_head.weight",
        };
        times(&x, &self.tensors[head], hidden)
    }

    fn norm(&self, x: &Matrix, weight: &str) -> Matrix {
        let weight = &self.tensors[weight];
        let eps = f64::from(self.config.rms_norm_eps);
        let row = |row: &Vec<f64>| -> Vec<f64> {
            let square: f64 = row.iter().map(|v| v * v).sum::<f64>() / row.len() as f64;
            let factor = 1.0 / (square + eps).sqrt();
            row.iter()
                .zip(weight)
                .map(|(v, w)| v * factor * w)
                .collect()
        };
        x.iter().map(row).collect()
    }

    fn linear(&self, layer: usize, target: Target, x: &Matrix) -> Matrix {
        let module = format!("layers.{layer}.{}", target.module());
        let mut y = times(
            x,
            &self.tensors[&format!("model.{module}.weight")],
            x[0].len(),
        );
        if let Some(bias) = self.tensors.get(&format!("model.{module}.bias")) {
            for row in &mut y {
                row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
            }
        }
        let factor = |f: &str| {
            self.adapter
                .get(&format!("base_model.model.model.{module}.{f}.weight"))
        };
        if let (Some(a), Some(b)) = (factor("lora_A"), factor("lora_B")) {
            let mut more = times(&times(x, a, x[0].len()), b, self.rank);
            more.iter_mut().flatten().for_each(|v| *v *= self.scale);
            add(&mut y, &more);
        }
        y
    }

    fn attention(&self, layer: usize, x: &Matrix) -> Matrix {
        let (width, heads) = (self.config.head_dim, self.config.num_attention_heads);
        let group = heads / self.config.num_key_value_heads;
        let mut q = self.linear(layer, Target::QProj, x);
        let mut k = self.linear(layer, Target::KProj, x);
        let v = self.linear(layer, Target::VProj, x);
        self.rotate(&mut q);
        self.rotate(&mut k);
        let mut out = vec![vec![0.0; heads * width]; x.len()];
        for head in 0..heads {
            let (at, kv) = (head * width, head / group * width);
            for t in 0..x.len() {
                let score = |s: usize| {
                    let dot: f64 = (0..width).map(|i| q[t][at + i] * k[s][kv + i]).sum();
                    (dot / (width as f64).sqrt()).exp()
                };
                let scores: Vec<f64> = (0..=t).map(score).collect();
                let total: f64 = scores.iter().sum();
                for i in 0..width {
                    let value = |s: usize| scores[s] / total * v[s][kv + i];
                    out[t][at + i] = (0..=t).map(value).sum();
                }
            }
        }
        out
    }

    fn rotate(&self, x: &mut Matrix) {
        let (width, half) = (self.config.head_dim, self.config.head_dim / 2);
        for (t, row) in x.iter_mut().enumerate() {
            for head in row.chunks_exact_mut(width) {
                for i in 0..half {
                    let power = -((2 * i) as f64) / width as f64;
                    let (sin, cos) = (t as f64 * self.config.rope_theta.powf(power)).sin_cos();
                    let (a, b) = (head[i], head[i + half]);
                    head[i] = a * cos - b * sin;
                    head[i + half] = b * cos + a * sin;
                }
            }
        }
    }
}

/// `x w^T`, `w` row-major with rows of `input` values.
fn times(x: &Matrix, w: &[f64], input: usize) -> Matrix {
    let dot = |row: &[f64], w: &[f64]| row.iter().zip(w).map(|(a, b)| a * b).sum();
    let row = |row: &Vec<f64>| w.chunks_exact(input).map(|w| dot(row, w)).collect();
    x.iter().map(row).collect()
}

fn add(to: &mut Matrix, more: &Matrix) {
    for (a, b) in to.iter_mut().flatten().zip(more.iter().flatten()) {
        *a += b;
    }
}
