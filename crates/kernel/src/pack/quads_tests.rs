use super::*;

fn counted(n: usize) -> Vec<i8> {
    (0..n).map(|i| (i * 37 + i / 251) as u8 as i8).collect()
}

#[test]
fn panels_hold_every_element_and_zeros() {
    for (rows, cols) in [(1, 1), (3, 40), (7, 32), (256, 33), (5, 64), (0, 5), (5, 0)] {
        let values = counted(rows * cols);
        for transposed in [false, true] {
            let quads = Quads::new(&values, rows, cols, transposed);
            let (depth, width) = if transposed {
                (cols, rows)
            } else {
                (rows, cols)
            };
            assert_eq!((quads.depth(), quads.cols()), (depth, width));
            let view = quads.view();
            for j in 0..width.next_multiple_of(PANEL) {
                let panel = view.panel(j / PANEL);
                let mut sum = 0;
                for k in 0..depth.next_multiple_of(QUAD) {
                    let found = panel[(k / QUAD * PANEL + j % PANEL) * QUAD + k % QUAD];
                    let wanted = match (k < depth && j < width, transposed) {
                        (false, _) => 0,
                        (true, false) => values[k * cols + j],
                        (true, true) => values[j * cols + k],
                    };
                    assert_eq!(found, wanted, "{rows} x {cols} {transposed} at {k}, {j}");
                    sum += i32::from(found);
                }
                assert_eq!(view.sums[j], sum);
            }
        }
    }
}

#[test]
fn a_panels_hold_every_element_in_each_form() {
    let (rows, depth, height) = (17, 23, 6);
    let a = counted(rows * depth);
    for form in [LeftForm::Signed, LeftForm::Offset, LeftForm::Wide] {
        let (steps, bytes) = (depth.div_ceil(QUAD), form.bytes());
        let mut out = vec![99; rows * steps * bytes];
        pack_left(&a, depth, rows, height, form, &mut out);
        for (first, count) in even_cuts(rows, height) {
            for (i, k) in (0..count).flat_map(|i| (0..steps * QUAD).map(move |k| (i, k))) {
                let wanted = match k < depth {
                    true => a[(first + i) * depth + k],
                    false => 0,
                };
                let quad = &out[(first * steps + k / QUAD * count + i) * bytes..][..bytes];
                let found = match form {
                    LeftForm::Signed => quad[k % QUAD],
                    LeftForm::Offset => quad[k % QUAD] ^ i8::MIN,
                    LeftForm::Wide => {
                        let at = [0, 2, 1, 3].iter().position(|n| *n == k % QUAD).unwrap();
                        let wide = [quad[2 * at] as u8, quad[2 * at + 1] as u8];
                        i16::from_le_bytes(wide) as i8
                    }
                };
                assert_eq!(found, wanted, "{form:?} at {i}, {k}");
            }
        }
    }
}
