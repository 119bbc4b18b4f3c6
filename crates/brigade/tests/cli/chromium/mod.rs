//! A customer with a real browser clicks through the whole shop, on a desktop and on a phone.
//! With `BRIGADE_SCREENSHOTS=DIR` the pages are kept there as pictures.

mod driver;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use tempfile::{TempDir, tempdir};

use crate::browser::get;
use crate::process::{Brigade, PAUSE, Signal, WATCHDOG};
use crate::socket::Browser;
use driver::{Chromium, Window, program};

/// What is wrong with a page's pictures: those that a browser would draw as broken.
const BROKEN_IMAGES: &str = "
    const images = [...document.images];
    images.forEach(image => image.loading = 'eager');
    await Promise.all(images.map(image => image.decode().catch(() => null)));
    return images.filter(image => !(image.naturalWidth > 0)).map(image => image.src).join(' ');";
/// Where a page leads to, within the shop.
const LINKS: &str = "
    const links = [...document.querySelectorAll('a[href], link[href]')];
    return links.map(link => link.href.split('#')[0]).filter(href => href.startsWith(origin));";
/// Pixels that a page is wider than its window.
const TOO_WIDE_PX: &str = "return document.documentElement.scrollWidth - innerWidth;";

/// Somebody in the shop.
struct Visitor {
    chromium: Chromium,
    pictures: PathBuf,
    window: Window,
    links_followed: BTreeSet<String>,
    pages: usize,
    // Removed after the browser has ended.
    _folder: TempDir,
}

impl Visitor {
    /// `None`, said on standard error, where there is no Chromium.
    fn new(window: Window) -> Option<Visitor> {
        let (Some(chromedriver), Some(chromium)) = (program("chromedriver"), program("chromium"))
        else {
            eprintln!("SKIPPED: chromium or chromedriver is not installed");
            return None;
        };
        let folder = tempdir().expect("a folder");
        let profile = folder.path().join("profile");
        let pictures = std::env::var_os("BRIGADE_SCREENSHOTS");
        let pictures = pictures.map_or_else(|| folder.path().join("pictures"), PathBuf::from);
        std::fs::create_dir_all(&pictures).expect("a folder for pictures");
        Some(Visitor {
            chromium: Chromium::start(&chromedriver, &chromium, &profile, window),
            pictures,
            window,
            links_followed: BTreeSet::new(),
            pages: 0,
            _folder: folder,
        })
    }

    /// Waits for a page, and checks everything on it that must be right on each.
    fn is_on(&mut self, page: &str) {
        let name = format!("document.querySelector('main')?.dataset.page === '{page}'");
        self.sees(&name);
        let broken = self.chromium.script(BROKEN_IMAGES);
        assert_eq!(broken, "", "broken pictures on `{page}`");
        let too_wide_px = self.chromium.script(TOO_WIDE_PX);
        assert!(
            too_wide_px.as_i64().is_some_and(|px| px <= 0),
            "`{page}` is {too_wide_px} pixels wider than the window"
        );
        self.pages += 1;
        let name = format!("{:?}-{:02}-{page}.png", self.window, self.pages).to_lowercase();
        let picture = self.chromium.screenshot();
        assert!(picture.starts_with(b"\x89PNG"), "no picture of `{page}`");
        std::fs::write(self.pictures.join(name), picture).expect("a picture is kept");
        self.follow_links(page);
        let errors = self.chromium.console_errors();
        assert!(errors.is_empty(), "the console on `{page}`: {errors:?}");
    }

    /// Waits until the page says so. While it changes, there may be nothing to ask.
    fn sees(&self, condition: &str) {
        let deadline = Instant::now() + WATCHDOG;
        let script = format!("return document.readyState === 'complete' && ({condition});");
        while self.chromium.script(&script) != true {
            let at = self.chromium.script("return document.body?.innerText;");
            assert!(Instant::now() < deadline, "never {condition}: {at}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Each link of the page answers 200, asked by the same customer. (Not by a script of the
    /// page: the shop's pages allow none to connect.)
    fn follow_links(&mut self, page: &str) {
        let links = self.chromium.script(LINKS);
        let links = links.as_array().expect("a list");
        let cookie = self.chromium.cookies();
        let mut browser: Option<Browser> = None;
        for link in links.iter().filter_map(|link| link.as_str()) {
            if !self.links_followed.insert(link.to_owned()) {
                continue;
            }
            let link = link.strip_prefix("http://").expect("a link of the shop");
            let (host, path) = link.split_once('/').expect("an address and a path");
            let browser =
                browser.get_or_insert_with(|| Browser::connect(host.parse().expect("an address")));
            let reply = browser.ask(&get(&format!("/{path}"), &cookie));
            assert_eq!(reply.status, 200, "a dead link on `{page}`: /{path}");
        }
    }

    /// The text of the first element.
    fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector('{selector}').textContent;");
        let text = self.chromium.script(&script);
        text.as_str().expect("text").trim().to_owned()
    }

    /// Numbers that a script gives.
    fn numbers(&self, script: &str) -> Vec<i64> {
        let numbers = self.chromium.script(script);
        let numbers = numbers.as_array().expect("a list").iter();
        numbers.map(|n| n.as_i64().expect("a number")).collect()
    }

    /// The sums that the page shows are those of the lines that it shows.
    fn sums_are_right(&self) {
        let lines = self.numbers(
            "return [...document.querySelectorAll('.lines li')].flatMap(line => [
                 +line.querySelector('input[type=number]').value,
                 Math.round(100 * line.querySelector('.price').textContent.replace(/[^0-9.]/g, ''))]);",
        );
        assert!(!lines.is_empty(), "an empty cart");
        let copies: i64 = lines.chunks(2).map(|line| line[0]).sum();
        let books: i64 = lines.chunks(2).map(|line| line[0] * line[1]).sum();
        let tax = (books * 825 + 5_000) / 10_000;
        let sending = 300 + 100 * copies;
        let shown = self.numbers(
            "return [...document.querySelectorAll('.sums dd')].map(sum =>
                 Math.round(100 * sum.textContent.replace(/[^0-9.]/g, '')));",
        );
        assert_eq!(shown, [books, tax, sending, books + tax + sending]);
    }

    fn fill(&self, fields: &[(&str, &str)]) {
        for (name, text) in fields {
            self.chromium.write(&format!("main #{name}"), text);
        }
    }

    fn looks_around(&mut self, address: &str) {
        self.chromium.open(address);
        self.is_on("home");
        self.chromium.click(".ways a[href='/new']");
        self.is_on("new");
        self.chromium.click(".ways a[href='/best']");
        self.is_on("best");
        self.chromium.open(&format!("{address}search"));
        self.is_on("search");
        self.chromium.click(".subjects a");
        self.is_on("results");
        self.chromium.write("#q", "the");
        self.chromium.click(".find button");
        self.sees("document.querySelector('.lead q')?.textContent === 'the'");
        self.is_on("results");
        self.chromium.click(".grid .card");
        self.is_on("product");
    }

    fn fills_the_cart(&mut self) {
        self.chromium.write("#quantity", "2");
        self.chromium.click(".add button");
        self.is_on("cart");
        self.sums_are_right();
        self.chromium.click("[data-promotions] .card");
        self.is_on("product");
        self.chromium.click(".add button");
        self.is_on("cart");
        self.sums_are_right();
        self.chromium.write(".lines input[type=number]", "5");
        self.chromium.click(".lines button[value=update]");
        self.sees("document.querySelector('.lines li').dataset.quantity === '5'");
        self.is_on("cart");
        self.sums_are_right();
    }

    /// Gives the new customer's name and password.
    fn registers(&mut self) -> (String, String) {
        self.chromium.click(".ways a[href='/register']");
        self.is_on("register");
        self.fill(&[
            ("first_name", "Ada"),
            ("last_name", "Nordby"),
            ("email", "ada@mail.example"),
            ("street", "1 Bell Street"),
            ("city", "Oakridge"),
            ("zip", "12345"),
        ]);
        self.chromium.click("#country option[value='35']");
        self.chromium.click("form[action='/register'] button");
        self.is_on("buy");
        (self.text("[data-user-name]"), self.text("[data-password]"))
    }

    /// Gives the order's number.
    fn buys(&mut self) -> String {
        self.chromium.click("#card_type option:nth-child(2)");
        self.fill(&[
            ("card_name", "Ada Nordby"),
            ("card_number", "4111 1111 1111 1111"),
            ("card_expiry", "12/99"),
        ]);
        self.chromium.click("main button.main");
        self.is_on("thanks");
        assert_eq!(self.text("h1"), "Thank you, Ada Nordby");
        self.text(".lead strong")
    }

    fn finds_the_order_again(&mut self, (name, password): &(String, String), order: &str) {
        self.chromium.click(".ways a[href='/orders']");
        self.is_on("orders");
        self.fill(&[("user_name", name), ("password", password)]);
        self.chromium.click("main button.main");
        self.is_on("last-order");
        assert_eq!(self.text(".lead strong"), order);
    }

    fn changes_a_book(&mut self) {
        self.chromium.click(".short a");
        self.is_on("product");
        self.chromium.click("a[href^='/admin/']");
        self.is_on("admin");
        self.fill(&[("price", "12.34"), ("picture", "7")]);
        self.chromium.click("main button.main");
        self.is_on("admin-changed");
        self.chromium.click("main a[href^='/product/']");
        self.is_on("product");
        let article = "article[data-price-cents=\"1234\"]";
        assert!(self.text(&format!("{article} .price")).contains("12.34"));
        self.sees("document.querySelector('.big img').src.endsWith('/image/7')");
    }
}

fn clicks_through_the_shop(window: Window) {
    let Some(mut visitor) = Visitor::new(window) else {
        return;
    };
    let folder = tempdir().expect("a folder");
    let arguments = "run --listen 127.0.0.1:0 --disk mem:64M --items 200";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let mut brigade = Brigade::start(folder.path(), &arguments);
    let address = format!("http://{}/", brigade.address());
    visitor.looks_around(&address);
    visitor.fills_the_cart();
    let account = visitor.registers();
    let order = visitor.buys();
    visitor.finds_the_order_again(&account, &order);
    visitor.changes_a_book();
    drop(visitor);
    brigade.signal(Signal::TERM);
    brigade.end().assert_orderly();
}

#[test]
fn the_whole_shop_on_a_desktop() {
    clicks_through_the_shop(Window::Desktop);
}

#[test]
fn the_whole_shop_on_a_phone() {
    clicks_through_the_shop(Window::Phone);
}
