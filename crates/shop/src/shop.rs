//! The shop: from a request to the first question, from rows to the next step.

use crate::answer::{Answer, ContentType, Step};
use crate::interactions::{
    account, admin, buy, cart, checkout, home, inquiry, listing, order, product, search,
};
use crate::pages::{Frame, RefusalPage};
use crate::pictures::{PICTURES, Size};
use crate::refusal::Refusal;
use crate::request::{Method, Request, number};
use crate::secret::Secret;
use crate::sql::{Failure, Rows};
use crate::state::{FileState, State, Visitor, Waiting};

/// The stylesheet of all pages.
pub const STYLESHEET: &str = include_str!("../static/style.css");
const ICON: &str = include_str!("../static/favicon.svg");
const ROBOTS: &str = "User-agent: *\nDisallow: /cart\nDisallow: /buy\nDisallow: /order\n\
    Disallow: /register\nDisallow: /admin/\n";

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

    /// Goes on with a file that was read.
    pub fn file<'a>(&self, state: FileState, result: Result<&'a [u8], Failure>) -> Answer<'a> {
        match result {
            Ok(bytes) => Answer::file(ContentType::Png, bytes),
            Err(Failure::Missing) => refused(Refusal::NoPicture, state.journey),
            Err(failure) => refused(failure.into(), state.journey),
        }
    }

    /// The page for a request that cannot even begin.
    pub fn failed(&self, failure: Failure) -> Answer<'static> {
        refused(failure.into(), self.journey)
    }

    fn route(&self, request: &Request<'_>, visitor: Visitor) -> Result<Step<'static>, Refusal> {
        let posted = request.method == Method::Post;
        match request.path {
            b"/cart" if posted => cart::change(&request.form()?, visitor, &self.secret),
            b"/cart" => cart::show(visitor, &self.secret),
            b"/buy" if posted => buy::ask(&request.form()?, visitor),
            b"/buy" => checkout::show(visitor),
            b"/register" if posted => account::register(&request.form()?, visitor, &self.secret),
            b"/login" if posted => account::log_in(&request.form()?, visitor, &self.secret),
            b"/orders" if posted => inquiry::display(&request.form()?, visitor),
            path if posted && path.starts_with(b"/admin/") => {
                let id = after(path, "/admin/").ok_or(Refusal::NoBook)?;
                admin::edit(id, &request.form()?, visitor)
            }
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
        let file = |content_type, text: &'static str| {
            Ok(Step::Answer(Answer::file(content_type, text.as_bytes())))
        };
        match path {
            b"/" => Ok(home::ask(visitor, &self.secret)),
            b"/search" => search::ask(&request.query()?, visitor, &self.secret),
            b"/new" => listing::ask_new(&request.query()?, visitor, &self.secret),
            b"/best" => listing::ask_best(&request.query()?, visitor, &self.secret),
            b"/register" => Ok(account::show(visitor)),
            b"/login" => Err(Refusal::Method("POST")),
            b"/orders" => Ok(inquiry::show(visitor)),
            b"/style.css" => file(ContentType::Css, STYLESHEET),
            b"/favicon.svg" => file(ContentType::Svg, ICON),
            b"/robots.txt" => file(ContentType::Text, ROBOTS),
            path => numbered(path, request, visitor),
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
            Waiting::Listing(listing) => listing::answer(listing, visitor, rows),
            Waiting::Search(search) => search::answer(*search, visitor, rows),
            Waiting::Product => product::answer(visitor, rows),
            Waiting::Cart => cart::answer(visitor, rows),
            Waiting::Change(change) => cart::changed(change, visitor, rows, &self.secret),
            Waiting::Checkout(form) => checkout::answer(*form, visitor, rows, &self.secret),
            Waiting::Purchase(purchase) => buy::answer(*purchase, visitor, Ok(rows)),
            Waiting::Repeat => buy::repeated(rows),
            Waiting::Order => order::answer(visitor, rows),
            Waiting::Register(form) => account::answer(*form, visitor, rows),
            Waiting::Entry(entry) => account::entered(entry, rows),
            Waiting::Inquiry => inquiry::answer(visitor, rows),
            Waiting::Display => inquiry::displayed(visitor, rows),
            Waiting::Admin { changed } => admin::answer(changed, visitor, rows),
            Waiting::Look(edit) => admin::looked(edit, visitor, rows),
            Waiting::Edited(id) => admin::edited(id, rows),
        }
    }
}

fn numbered(
    path: &[u8],
    request: &Request<'_>,
    visitor: Visitor,
) -> Result<Step<'static>, Refusal> {
    let is_below = |folder: &str| path.starts_with(folder.as_bytes());
    let id = |folder| after(path, folder);
    if is_below("/product/") {
        product::ask(id("/product/").ok_or(Refusal::NoBook)?, visitor)
    } else if is_below("/order/") {
        order::ask(id("/order/").ok_or(Refusal::NoOrder)?, visitor)
    } else if is_below("/image/") {
        picture(Size::Image, id("/image/"), visitor)
    } else if is_below("/thumb/") {
        picture(Size::Thumbnail, id("/thumb/"), visitor)
    } else if is_below("/admin/") {
        admin::ask(
            id("/admin/").ok_or(Refusal::NoBook)?,
            &request.query()?,
            visitor,
        )
    } else {
        Err(Refusal::NoPage)
    }
}

/// The number behind `folder` in a path.
fn after(path: &[u8], folder: &str) -> Option<i64> {
    number(std::str::from_utf8(path).ok()?.strip_prefix(folder)?)
}

fn picture(size: Size, id: Option<i64>, visitor: Visitor) -> Result<Step<'static>, Refusal> {
    let number = id.filter(|id| *id < PICTURES as i64);
    let name = size.file(number.ok_or(Refusal::NoPicture)?);
    let journey = visitor.journey;
    Ok(Step::File(FileState { journey }, name))
}

fn refused(refusal: Refusal, journey: &'static str) -> Answer<'static> {
    let page = RefusalPage {
        frame: Frame::new(refusal.heading(), 0, journey),
        message: refusal.to_string(),
    };
    Answer::page(refusal.status(), page).allowing(refusal)
}
