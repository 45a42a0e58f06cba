//! The kernel's own selftests, unconfined: on the attack suite's kernel and on the product's.

use anyhow::Result;
use harness::selftests::{self, Form};

#[test]
fn the_kernels_selftests_find_nothing_on_the_attack_kernel_that_is_not_excused_with_a_reason() -> Result<()> {
    judge("attack")
}

#[test]
fn the_kernels_selftests_find_nothing_on_the_products_kernel_that_is_not_excused_with_a_reason() -> Result<()> {
    judge("product")
}

/// `HOLDFAST_SELFTESTS=long` runs what the short form has no time for.
fn judge(kernel: &str) -> Result<()> {
    let form = if std::env::var("HOLDFAST_SELFTESTS").is_ok_and(|form| form == "long") { Form::Long } else { Form::Short };
    let expected = selftests::judgement()?;
    let rows = selftests::run(&expected, form, &selftests::image_of(kernel)?, kernel)?;
    selftests::judge(&expected, form, kernel, &rows)
}
