//! Orders against payment providers that sign and verify with real keys: what makes an order paid, what does not, and
//! that everything happens once, whoever asks at the same moment.

mod late;
mod notices;
mod page;
mod races;
mod refunds;
mod shop;
