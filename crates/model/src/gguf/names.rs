//! Where a tensor of a Hugging Face Llama lies in a GGUF file.

/// The name in a GGUF file of a tensor that `ModelSpec` names, if there is one.
pub(super) fn gguf_name(name: &str) -> Option<String> {
    let direct = match name {
        "model.embed_tokens.weight" => "token_embd.weight",
        "model.norm.weight" => "output_norm.weight",
        "lm_head.weight" => "output.weight",
        _ => "",
    };
    if !direct.is_empty() {
        return Some(direct.into());
    }
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (module, part) = rest.rsplit_once('.')?;
    let module = match module {
        "input_layernorm" => "attn_norm",
        "post_attention_layernorm" => "ffn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => return None,
    };
    let norm = module.ends_with("norm");
    match part {
        "weight" => Some(format!("blk.{layer}.{module}.weight")),
        "bias" if !norm => Some(format!("blk.{layer}.{module}.bias")),
        _ => None,
    }
}

/// The row of a GGUF file that row `row` of a query or key projection with heads of `head_dim`
/// rows lies in.
///
/// llama.cpp rotates pairs of neighbours, Hugging Face pairs of row i and row i + head_dim / 2, so
/// converters to GGUF interleave the two halves of every head.
pub(super) fn interleaved(row: usize, head_dim: usize) -> usize {
    let (head, within) = (row / head_dim, row % head_dim);
    let (side, i) = (within / (head_dim / 2), within % (head_dim / 2));
    head * head_dim + 2 * i + side
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_head_are_interleaved() {
        let order: Vec<usize> = (0..12).map(|row| interleaved(row, 6)).collect();
        assert_eq!(order, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
    }

    #[test]
    fn names_are_those_of_llama_cpp() {
        let name = |hf| gguf_name(hf).unwrap();
        assert_eq!(name("model.embed_tokens.weight"), "token_embd.weight");
        assert_eq!(
            name("model.layers.12.mlp.down_proj.weight"),
            "blk.12.ffn_down.weight"
        );
        assert_eq!(
            name("model.layers.0.self_attn.q_proj.bias"),
            "blk.0.attn_q.bias"
        );
        assert_eq!(gguf_name("model.layers.0.input_layernorm.bias"), None);
        assert_eq!(gguf_name("blk.0.ffn_down.weight"), None);
    }
}
