//! The tables of phases in the documentation are those of the rules.

use std::fmt::Write;

use assay_ledger::{Move, Phase, ProcedureName, Row};

/// A table of `docs/ledger.md`: one row for each phase of a procedure.
fn table(life: &[Row]) -> String {
    let mut table = String::from(
        "| Phase | Moves | Deadline | Next | If nobody moves |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in life {
        let moves: Vec<String> = row.moves.iter().map(shown).collect();
        let next: Vec<String> = row.next.iter().map(|next| format!("`{next}`")).collect();
        let deadline = row.deadline.map(|span| format!("`{span}`"));
        let cells = [
            format!("`{}`", row.phase),
            moves.join("; "),
            deadline.unwrap_or_default(),
            next.join(", "),
            row.late.to_string(),
        ];
        let cells = cells.map(|cell| match cell.as_str() {
            "" => " ".to_owned(),
            _ => format!(" {cell} "),
        });
        writeln!(table, "|{}|", cells.join("|")).unwrap();
    }
    table
}

fn shown(known: &Move) -> String {
    let call = if known.awaited {
        format!("**`{}`**", known.call)
    } else {
        format!("`{}`", known.call)
    };
    format!("{call} by {}", known.by)
}

/// Every phase is one of some procedure's.
#[test]
fn no_phase_is_without_a_row() {
    for phase in Phase::ALL {
        let known = |name: &ProcedureName| name.life().iter().any(|row| row.phase == phase);
        assert!(ProcedureName::ALL.iter().any(known), "{phase}");
    }
}

#[test]
fn the_documentation_shows_the_phases_as_they_are() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ledger.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    for procedure in ProcedureName::ALL {
        let (procedure, life) = (procedure.name(), procedure.life());
        let heading = format!("### `{procedure}`\n");
        let section = docs.split(&heading).nth(1).unwrap_or_default();
        let lines = section.lines().skip_while(|line| !line.starts_with('|'));
        let lines = lines.take_while(|line| line.starts_with('|'));
        let found: String = lines.map(|line| format!("{line}\n")).collect();
        let expected = table(life);
        assert!(
            found == expected,
            "docs/ledger.md shows other phases of `{procedure}` than the rules have; put this table \
             under its heading `### `{procedure}``:\n\n{expected}"
        );
    }
}

/// Whatever has a deadline says what comes of it, and whatever has none is over; each phase of a
/// procedure has one row, in the order of their encoding, and what can follow is one of them, or where
/// `traced` takes up a copy that was left alone.
#[test]
fn every_row_is_whole() {
    for name in ProcedureName::ALL {
        let life = name.life();
        let phases: Vec<_> = life.iter().map(|row| row.phase).collect();
        assert_eq!(phases.first(), Some(&name.first()));
        // Those of procedures that came later are encoded after the final ones, and listed before them.
        let at = |phase: &Phase| (phase.is_final(), *phase);
        let later = phases
            .iter()
            .filter(|phase| **phase > Phase::Refunded)
            .count();
        let in_order = phases.is_sorted_by(|a, b| at(a) < at(b));
        assert!(in_order || later > 0, "{phases:?}");
        let mut distinct = phases.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), phases.len(), "a phase has two rows");
        for row in life {
            let known = |next: &Phase| phases.contains(next) || *next == Phase::Committed;
            assert!(row.next.iter().all(known));
            let over = row.phase.is_final();
            assert_eq!(row.deadline.is_none(), over);
            assert_eq!(row.next.is_empty(), over);
            assert_eq!(row.late.to_string().is_empty(), over);
            assert!(!over || row.moves.is_empty());
        }
    }
}
