//! The compiled statements: their texts and plans, the catalogue of all statements, and what each form finds.

mod catalogue;
pub mod compiled;
mod names;
mod pages;
mod values;
