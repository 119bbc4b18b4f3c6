//! What every page promises to programs that read it, such as a load generator: paths, forms and
//! data attributes that stay as they are however the pages look.
//!
//! Every page is whole when it ends with `</html>`, and says what it is in `<main
//! data-page="...">`:
//!
//! | `data-page` | request | TPC-W's interaction |
//! | --- | --- | --- |
//! | `home` | `GET /` | Home |
//! | `new` | `GET /new?subject=SLUG` | New Products |
//! | `best` | `GET /best?subject=SLUG` | Best Sellers |
//! | `product` | `GET /product/ID` | Product Detail |
//! | `search` | `GET /search` | Search Request |
//! | `results` | `GET /search?by=title,author,subject&q=TEXT&page=N` | Search Results |
//! | `cart` | `POST /cart` (`action=add,update,remove`, `item`, `quantity`): 303 to `GET /cart` | Shopping Cart |
//! | `register` | `GET /register` | Customer Registration |
//! | `buy` | `POST /login` (`user_name`, `password`) or `POST /register` (the person's fields): 303 to `GET /buy` | Buy Request |
//! | `thanks` | `POST /buy` (the fields of the `buy` page): 303 to `GET /order/ID` | Buy Confirm |
//! | `orders` | `GET /orders` | Order Inquiry |
//! | `last-order` | `POST /orders` (`user_name`, `password`) | Order Display |
//! | `admin` | `GET /admin/ID` | Admin Request |
//! | `admin-changed` | `POST /admin/ID` (`price`, `picture`): 303 to `GET /admin/ID?changed=1` | Admin Confirm |
//! | `refusal` | anything that cannot be shown; the status says why | |
//!
//! | attribute | where | what |
//! | --- | --- | --- |
//! | `data-cart-count` | the link to the cart, on every page | copies in the session's cart |
//! | `data-customer-name` | the link to the account, on every page of a known customer | first name |
//! | `data-product-id`, `data-price-cents` | `<article>` of `product`, `admin` and `admin-changed`; each card of a list | number and price of the book |
//! | `data-image` | `<article>` of `admin` and `admin-changed` | number of its picture |
//! | `data-subject`, `data-books` | the list of `new` and `best` | slug of the subject, books shown |
//! | `data-promotions` | `home`, `new`, `best`, `search`, `results`, `cart` | promotional books shown: 5 |
//! | `data-line-id`, `data-quantity`, `data-price-cents` | each line of `cart`, `buy`, `thanks`, `last-order` | number of the book, copies, price of one |
//! | `data-quantity`, `data-sub-total-cents`, `data-total-cents` | the sums (`<dl>`) of the same pages | copies, sum of the lines, what is to be paid |
//! | `data-order-id` | `thanks`, `last-order` | number of the order |
//!
//! The attributes of one element stand in the order of the table, each once. Of a guest's or
//! customer's sums: the discount is the sub-total times `discount_percent` (a hidden field of
//! `buy`) by 100, rounded down; the tax is 8.25 % of what is left, rounded to the nearest cent;
//! sending costs 3 dollars and 1 for each copy.
//!
//! `buy` has the hidden fields `token`, `sub_total_cents`, `quantity` and `discount_percent`, which
//! a buyer sends back with the person's fields (`first_name`, `last_name`, `email`, `street`,
//! `street2`, `city`, `state`, `zip`, `country`), `shipping`, `card_type`, `card_name`,
//! `card_number` and `card_expiry`. After a registration it shows the new user name and password in
//! the elements with `data-user-name` and `data-password`.
//!
//! Pictures are `/image/N` and `/thumb/N` with the numbers that the pages name. Customers of the
//! population have the user names `reader1`, `reader2` ... and the same passwords.
