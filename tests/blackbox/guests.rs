//! Policies of the tests' own, each with verdicts by which it is known.

use crate::guest::{Guest, answer};

/// `admission`: accepts for so many seconds. In its answers the verdict stands at 8, what belongs to it at 16.
fn accept(seconds: u32) -> String {
    answer(&[(8, 0), (16, seconds)])
}

/// Accepts for 1,000 s and pushes.
pub fn pushing() -> Vec<u8> {
    Guest::new().judge("admission", accept(1000)).judge("handling", answer(&[(4, 0)])).build()
}

/// Accepts for 2,000 s and lets the user manage.
pub fn managing() -> Vec<u8> {
    Guest::new().judge("admission", accept(2000)).judge("handling", answer(&[(4, 1)])).build()
}

/// Traps whenever it is asked whether a message may be deferred, but not by the questions of an examination, whose
/// users are not those of the tests.
pub fn trapping(marker: &str) -> Vec<u8> {
    let mut guest = Guest::new();
    let (at, length) = guest.text(marker.as_bytes());
    // The realm is the second field of the context: pointer at 8, length at 12.
    let body = format!(
        "(local $i i32)
         (if (i32.eq (i32.load (i32.add (local.get $question) (i32.const 12))) (i32.const {length}))
           (then
             (block $differs
               (loop $next
                 (br_if $differs (i32.ne
                   (i32.load8_u (i32.add (i32.load (i32.add (local.get $question) (i32.const 8))) (local.get $i)))
                   (i32.load8_u (i32.add (i32.const {at}) (local.get $i)))))
                 (local.set $i (i32.add (local.get $i) (i32.const 1)))
                 (br_if $next (i32.lt_u (local.get $i) (i32.const {length}))))
               unreachable)))
         {}",
        accept(3000)
    );
    guest.judge("admission", body).build()
}
