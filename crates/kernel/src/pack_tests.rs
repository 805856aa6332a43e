use super::*;

fn counted(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

#[test]
fn panels_hold_every_element_and_zeros() {
    for (rows, cols) in [
        (1, 1),
        (3, 40),
        (7, 32),
        (256, 33),
        (257, 9),
        (600, 70),
        (0, 5),
        (5, 0),
    ] {
        let data = counted(rows * cols);
        let plain = MatRef::row_major(&data, rows, cols);
        let turned = MatRef::row_major(&data, cols, rows).t();
        for b in [plain, turned] {
            let panels = Panels::new(b);
            let width = padded(cols);
            for k in 0..rows {
                let start = k / BLOCK * BLOCK;
                let depth = BLOCK.min(rows - start);
                for j in 0..width {
                    let panel = panel_offset(start, depth, j / PANEL * PANEL, width);
                    let found = panels.data()[panel + (k - start) * PANEL + j % PANEL];
                    let wanted = if j < cols { b.at(k, j) } else { 0.0 };
                    assert_eq!(found, wanted, "{rows} x {cols} at {k}, {j}");
                }
            }
        }
    }
}

#[test]
fn a_panels_hold_every_element() {
    let (rows, cols) = (37, 45);
    let data = counted(rows * cols);
    let plain = MatRef::row_major(&data, rows, cols);
    let turned = MatRef::row_major(&data, cols, rows).t();
    let both = MatRef::new(&data, 18, 22, 2 * 22 + 1, 2);
    for a in [plain, turned, both] {
        for height in [6, 14] {
            let (from, to, start, depth) = (2, a.rows() - 1, 3, a.cols() - 4);
            let mut out = vec![-1.0; (to - from).next_multiple_of(height) * depth];
            pack_a(a, (from, to), (start, depth), height, &mut out);
            let mut next = from;
            for (first, count) in even_cuts(to - from, height) {
                assert!(count <= height && from + first == next);
                next += count;
                for (i, k) in (0..count).flat_map(|i| (0..depth).map(move |k| (i, k))) {
                    let found = out[first * depth + k * count + i];
                    assert_eq!(found, a.at(from + first + i, start + k));
                }
            }
            assert_eq!(next, to);
        }
    }
}
