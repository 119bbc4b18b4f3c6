-- Readers who buy: a book into the cart, the order form, the order; then again.
--
-- wrk does not say which connection an answer belongs to, so each thread has one connection and is
-- one reader. Called with the number of books after `--`.

local PERSON = "first_name=Ada&last_name=Nordby&email=ada%40mail.example"
  .. "&street=1+Bell+Street&street2=&city=Oakridge&state=&zip=12345&country=35"
  .. "&card_type=Visa&card_name=Ada+Nordby&card_number=4111+1111+1111+1111&card_expiry=12%2F99"
-- What the form brings back.
local HIDDEN = { "token", "sub_total_cents", "quantity" }
local WANTED = { cart = 303, form = 200, buy = 303 }

local threads = {}

function setup(thread)
  thread:set("reader", #threads)
  table.insert(threads, thread)
end

-- Global, so that `done` can get them.
orders, wrong = 0, 0

local step, form = "cart", nil
local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
local items, item

function init(args)
  items = tonumber(args[1])
  -- Readers begin apart from one another.
  item = reader * 61 % items + 1
end

-- wrk calls this once more than it asks, so it changes nothing.
function request()
  if step == "form" then
    return wrk.format("GET", "/buy", headers)
  elseif step == "buy" then
    return wrk.format("POST", "/buy", headers, form)
  end
  local body = "action=add&item=" .. item .. "&quantity=1"
  return wrk.format("POST", "/cart", headers, body)
end

local function filled_in(page)
  local filled = PERSON
  for _, name in ipairs(HIDDEN) do
    local value = page:match('<input type="hidden" name="' .. name .. '" value="([^"]*)"')
    if not value then
      return nil
    end
    filled = filled .. "&" .. name .. "=" .. value
  end
  return filled
end

function response(status, answered, body)
  for name, value in pairs(answered) do
    if name:lower() == "set-cookie" then
      headers["Cookie"] = value:match("^[^;]*")
    end
  end
  local right = status == WANTED[step]
  if right and step == "form" then
    form = filled_in(body)
    right = form ~= nil
  end
  if not right then
    wrong = wrong + 1
    step = "cart"
  elseif step == "cart" then
    step = "form"
  elseif step == "form" then
    step = "buy"
  else
    orders = orders + 1
    item = item % items + 1
    step = "cart"
  end
end

function done(summary)
  local bought, failed = 0, 0
  for _, thread in ipairs(threads) do
    bought = bought + thread:get("orders")
    failed = failed + thread:get("wrong")
  end
  io.write(string.format("Orders/sec: %.2f\n", bought / summary.duration * 1e6))
  io.write(string.format("Wrong answers: %d\n", failed))
end
