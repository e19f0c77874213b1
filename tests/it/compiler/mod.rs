//! The compiled statements: their texts and plans and what each form finds.

pub mod compiled;
mod names;
mod pages;
mod values;
