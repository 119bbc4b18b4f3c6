//! Why a request gets another page than the one it asked for, in words for the reader.

use thiserror::Error;

use crate::sql::{Failure, ShapeError};

/// Why a request is refused. The message is shown to the reader; it never repeats what the
/// client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such path.
    #[error("There is no page at this address.")]
    NoPage,
    /// The method does not belong to the path; the methods that do are given.
    #[error("This address does not accept that kind of request (it accepts {0}).")]
    Method(&'static str),
    /// No such book.
    #[error("We have no book of this number.")]
    NoBook,
    /// No such order, or it belongs to somebody else.
    #[error("There is no such order here. An order is shown only in the browser that placed it.")]
    NoOrder,
    /// No such picture.
    #[error("We have no picture of this number.")]
    NoPicture,
    /// No such subject.
    #[error("We have no shelf for this subject. Please choose one of the list.")]
    NoSubject,
    /// The fields are not text, or too many.
    #[error("The address or form could not be read: its fields are not valid text.")]
    Malformed,
    /// A number is missing, no number, or out of bounds.
    #[error("The field \u{201c}{name}\u{201d} has to be a whole number between {min} and {max}.")]
    Number {
        /// The field.
        name: &'static str,
        /// Smallest number that is accepted.
        min: i64,
        /// Largest number that is accepted.
        max: i64,
    },
    /// A field has none of the possible values.
    #[error("The field \u{201c}{name}\u{201d} has to be one of: {choices}.")]
    Choice {
        /// The field.
        name: &'static str,
        /// What is possible.
        choices: &'static str,
    },
    /// A price is no price.
    #[error("The field \u{201c}{0}\u{201d} has to be a price such as 12.34, at most 9999.99.")]
    Price(&'static str),
    /// A text is too long.
    #[error("The field \u{201c}{0}\u{201d} is too long.")]
    TooLong(&'static str),
    /// No customer has this user name and password.
    #[error("We know no reader of this user name and password. Please go back and try again.")]
    WrongPassword,
    /// The order form came without a session or its own token.
    #[error(
        "The order form was incomplete, or your browser sent no cookie. Nothing was ordered; \
         please allow cookies for this shop and start again from your cart."
    )]
    NoSession,
    /// The cart holds as many different books as it can.
    #[error("Your cart holds as many different books as it can. Please buy or remove some first.")]
    CartFull,
    /// What was to be bought is not what the form showed.
    #[error(
        "Your cart or a price has changed since you saw the form, so nothing was ordered. \
         Please look at your cart again."
    )]
    Changed,
    /// The database failed.
    #[error(
        "The shop could not do this just now: {0}. Please try again; an order form that is sent \
         again never orders twice."
    )]
    Database(#[from] Failure),
    /// The database answered nonsense.
    #[error("Something is wrong on our side: {0}.")]
    Shape(#[from] ShapeError),
}

impl Refusal {
    /// The HTTP status of the page.
    pub fn status(self) -> u16 {
        match self {
            Self::NoPage
            | Self::NoBook
            | Self::NoOrder
            | Self::NoPicture
            | Self::NoSubject
            | Self::Database(Failure::Missing) => 404,
            Self::Method(_) => 405,
            Self::WrongPassword => 403,
            Self::CartFull | Self::Changed => 409,
            Self::Malformed
            | Self::Number { .. }
            | Self::Choice { .. }
            | Self::TooLong(_)
            | Self::Price(_)
            | Self::NoSession => 400,
            Self::Database(Failure::Full) => 507,
            Self::Database(Failure::Busy | Failure::Storage) => 503,
            Self::Database(_) | Self::Shape(_) => 500,
        }
    }

    /// The heading of the page.
    pub(crate) fn heading(self) -> &'static str {
        match self.status() {
            404 => "Not on our shelves",
            403 => "Who is there?",
            405 => "Not like that",
            409 => "One moment",
            400 => "We did not understand that",
            503 => "Please try again",
            507 => "No room left",
            _ => "Our mistake",
        }
    }
}
