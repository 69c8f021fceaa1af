//! A what-if as an operator reads it.

use super::{Example, Sums, WhatIf};
use std::fmt;

impl fmt::Display for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        write!(f, "{} users, {} of them replayed, {} records", counts.users, counts.replayed, counts.records)?;
        if self.realms.0.is_empty() {
            return write!(f, "\nnothing that the candidate decides was asked in this time");
        }
        for (realm, decisions) in &self.realms.0 {
            let heads = ["asked", "same", "different", "failed", "not recallable"];
            write!(f, "\n\nrealm {realm}\n  {:<13}", "decision")?;
            heads.iter().try_for_each(|head| write!(f, "  {head:>9}"))?;
            decisions.iter().try_for_each(|(decision, sums)| row(f, decision, sums))?;
        }
        notes(f, self)
    }
}

fn row(f: &mut fmt::Formatter<'_>, decision: &str, sums: &Sums) -> fmt::Result {
    let (failed, lost): (u64, u64) = (sums.failed.values().sum(), sums.not_recallable.values().sum());
    let (asked, same, different) = (sums.asked, sums.same, sums.different);
    write!(f, "\n  {decision:<13}  {asked:>9}  {same:>9}  {different:>9}  {failed:>9}  {lost:>14}")?;
    for (kind, change) in &sums.changes {
        write!(f, "\n    {kind}: {}", change.count)?;
        change.examples.iter().try_for_each(|example| line(f, example))?;
    }
    sums.failed.iter().try_for_each(|(failure, count)| write!(f, "\n    failed, {failure}: {count}"))
}

fn line(f: &mut fmt::Formatter<'_>, example: &Example) -> fmt::Result {
    let Example { at, message, recorded, judge, candidate, .. } = example;
    write!(f, "\n      {at}  {message}  {recorded}, by {judge}; candidate: {candidate}")
}

fn notes(f: &mut fmt::Formatter<'_>, whatif: &WhatIf) -> fmt::Result {
    let lost = |why: &str| whatif.realms.sums().filter_map(|sums| sums.not_recallable.get(why)).sum::<u64>();
    let (refused, recorded) = (lost("refused"), lost("recorded-in-history"));
    if refused + recorded + whatif.counts.unfit + whatif.counts.unreadable > 0 {
        writeln!(f)?;
    }
    if refused > 0 {
        write!(f, "\nnot recallable: {refused} messages were refused then; what is not taken is not kept")?;
    }
    if recorded > 0 {
        write!(
            f,
            "\nnot recallable: {recorded} deliveries waited for the history; they were asked again, and that counts"
        )?;
    }
    if whatif.counts.unfit > 0 {
        write!(f, "\nskipped: {} events that do not go with the state before them", whatif.counts.unfit)?;
    }
    if whatif.counts.unreadable > 0 {
        write!(f, "\nskipped: {} users whose log cannot be read; see restante audit verify", whatif.counts.unreadable)?;
    }
    Ok(())
}
