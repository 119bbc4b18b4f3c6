//! The shop: from a request to the first question, from rows to the next step.

use crate::answer::{Answer, ContentType, Step};
use crate::interactions::{buy, cart, checkout, home, order, product, search};
use crate::pages::{Frame, RefusalPage};
use crate::refusal::Refusal;
use crate::request::{Method, Request, number};
use crate::secret::Secret;
use crate::sql::{Failure, Rows};
use crate::state::{State, Visitor, Waiting};

/// The stylesheet of all pages.
pub const STYLESHEET: &str = include_str!("../static/style.css");
const ICON: &str = include_str!("../static/favicon.svg");
const ROBOTS: &str = "User-agent: *\nDisallow: /cart\nDisallow: /buy\nDisallow: /order/\n";

/// The bookshop. It holds no data but its secret; any number of callers may share it.
#[derive(Debug)]
pub struct Shop {
    secret: Secret,
    journey: &'static str,
}

impl Shop {
    /// A shop whose sessions come from `secret`; `journey` is the line at the foot of every page
    /// that says how it travelled.
    pub fn new(secret: Secret, journey: &'static str) -> Self {
        Self { secret, journey }
    }

    /// Begins an interaction.
    pub fn begin(&self, request: &Request<'_>) -> Step<'static> {
        let visitor = Visitor {
            session: request.session(),
            now_s: request.now_s,
            journey: self.journey,
        };
        self.route(request, visitor)
            .unwrap_or_else(|refusal| Step::Answer(refused(refusal, self.journey)))
    }

    /// Goes on with what the database said.
    pub fn resume<'a>(&self, state: State, result: Result<&Rows<'a>, Failure>) -> Step<'a> {
        let State { visitor, waiting } = state;
        let step = match waiting {
            Waiting::Purchase(purchase) => buy::answer(*purchase, visitor, result),
            waiting => match result {
                Ok(rows) => self.continued(waiting, visitor, rows),
                Err(failure) => Err(failure.into()),
            },
        };
        step.unwrap_or_else(|refusal| Step::Answer(refused(refusal, visitor.journey)))
    }

    /// The page for a request that cannot even begin.
    pub fn failed(&self, failure: Failure) -> Answer<'static> {
        refused(failure.into(), self.journey)
    }

    fn route(&self, request: &Request<'_>, visitor: Visitor) -> Result<Step<'static>, Refusal> {
        let posted = request.method == Method::Post;
        match request.path {
            b"/cart" if posted => cart::change(&request.form()?, visitor, &self.secret),
            b"/cart" => cart::show(visitor),
            b"/buy" if posted => buy::ask(&request.form()?, visitor),
            b"/buy" => checkout::show(visitor),
            path => {
                let step = self.read(path, request, visitor)?;
                if posted {
                    Err(Refusal::Method("GET, HEAD"))
                } else {
                    Ok(step)
                }
            }
        }
    }

    /// The addresses that only show.
    fn read(
        &self,
        path: &[u8],
        request: &Request<'_>,
        visitor: Visitor,
    ) -> Result<Step<'static>, Refusal> {
        let file = |content_type, text| Ok(Step::Answer(Answer::file(content_type, text)));
        match path {
            b"/" => Ok(home::ask(visitor, &self.secret)),
            b"/search" => search::ask(&request.query()?, visitor),
            b"/style.css" => file(ContentType::Css, STYLESHEET),
            b"/favicon.svg" => file(ContentType::Svg, ICON),
            b"/robots.txt" => file(ContentType::Text, ROBOTS),
            path => numbered(path, visitor),
        }
    }

    fn continued<'a>(
        &self,
        waiting: Waiting,
        visitor: Visitor,
        rows: &Rows<'a>,
    ) -> Result<Step<'a>, Refusal> {
        match waiting {
            Waiting::Home => home::answer(visitor, rows),
            Waiting::Search(search) => search::answer(*search, visitor, rows),
            Waiting::Product => product::answer(visitor, rows),
            Waiting::Cart => cart::answer(visitor, rows),
            Waiting::Change(change) => cart::changed(change, visitor, rows, &self.secret),
            Waiting::Checkout(form) => checkout::answer(*form, visitor, rows, &self.secret),
            Waiting::Purchase(purchase) => buy::answer(*purchase, visitor, Ok(rows)),
            Waiting::Repeat => buy::repeated(rows),
            Waiting::Order => order::answer(visitor, rows),
        }
    }
}

fn numbered(path: &[u8], visitor: Visitor) -> Result<Step<'static>, Refusal> {
    let path = std::str::from_utf8(path).map_err(|_| Refusal::NoPage)?;
    if let Some(id) = path.strip_prefix("/product/") {
        product::ask(number(id).ok_or(Refusal::NoBook)?, visitor)
    } else if let Some(id) = path.strip_prefix("/order/") {
        order::ask(number(id).ok_or(Refusal::NoOrder)?, visitor)
    } else {
        Err(Refusal::NoPage)
    }
}

fn refused(refusal: Refusal, journey: &'static str) -> Answer<'static> {
    let page = RefusalPage {
        frame: Frame::new(refusal.heading(), 0, journey),
        message: refusal.to_string(),
    };
    Answer::page(refusal.status(), page).allowing(refusal)
}
