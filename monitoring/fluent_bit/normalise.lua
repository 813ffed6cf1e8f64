-- One form for the records of all sources: the fields of monitoring/elasticsearch/index_template.json, with their
-- types; whatever else a line brings goes into `fields`, so that no line can be refused for a field of its own.

local TEXTS = {
    message = true, exception = true, level = true, process = true, host = true, logger = true, request_id = true,
    trace_id = true, client = true, caller = true, method = true, path = true, upstream = true, file = true,
}
local NUMBERS = { pid = true, line = true, status = true, bytes = true, duration_ms = true, offset = true }
local LEVELS = { warn = "WARNING", crit = "CRITICAL", alert = "CRITICAL", emerg = "CRITICAL", notice = "INFO" }

-- Seconds since 1970 of "2026/03/01 10:00:00", taken as UTC; nil where it is no time. Days by the civil calendar
-- (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms): os.time would use the machine's own time zone.
function epoch_of(text)
    local year, month, day, hour, minute, second = text:match("^(%d+)/(%d+)/(%d+) (%d+):(%d+):(%d+)$")
    if not year then return nil end
    local y, m, d = tonumber(year), tonumber(month), tonumber(day)
    if m < 1 or m > 12 or d < 1 or d > 31 then return nil end
    if m <= 2 then y = y - 1 end
    local era = math.floor(y / 400)
    local year_of_era = y - era * 400
    local day_of_year = math.floor((153 * (m + (m > 2 and -3 or 9)) + 2) / 5) + d - 1
    local day_of_era = year_of_era * 365 + math.floor(year_of_era / 4) - math.floor(year_of_era / 100) + day_of_year
    local days = era * 146097 + day_of_era - 719468
    return days * 86400 + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second)
end

local function unquote(text)
    return (text:gsub('\\(u?)(%x?%x?%x?%x?)(.?)', function(u, hex, rest)
        if u == "u" and #hex == 4 then
            local code = tonumber(hex, 16)
            return (code < 128 and string.char(code) or "\\u" .. hex) .. rest
        end
        return nil
    end):gsub('\\([nrt"\\/])', { n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }))
end

-- The pairs of `key=value key="two words"`, or nil where the text is anything else.
local function pairs_of(text)
    local found, at = {}, 1
    if text == "" then return nil end
    while at <= #text do
        local _, stop, key, value = text:find('^([%w_]+)=([^%s"=|]+)', at)
        if not key then
            local from, quoted_key
            from, stop, quoted_key = text:find('^([%w_]+)="', at)
            if not from then return nil end
            local close = stop + 1
            while close <= #text and text:sub(close, close) ~= '"' do
                close = close + (text:sub(close, close) == "\\" and 2 or 1)
            end
            if close > #text then return nil end
            key, value, stop = quoted_key, unquote(text:sub(stop + 1, close - 1)), close
        end
        found[key] = value
        if stop < #text and text:sub(stop + 1, stop + 1) ~= " " then return nil end
        at = stop + 2
    end
    return found
end

-- Takes "message | key=value ..." apart. Only the text format has these; JSON brings fields as fields.
local function split_pairs(record)
    local found
    local from, stop = record.message:find(" | ", 1, true)
    while from do
        found = pairs_of(record.message:sub(stop + 1))
        if found then break end
        from, stop = record.message:find(" | ", stop, true)
    end
    if not found then return end
    record.message = record.message:sub(1, from - 1)
    for key, value in pairs(found) do
        if record[key] == nil or key == "log" then record[key] = value end
    end
end

local function without_arguments(text)  -- those of a link to a photo are its signature
    return (text:gsub("%?[^%s\"]*", ""))
end

local function from_nginx(record)
    if record.time_local then
        record.epoch = epoch_of(record.time_local)
        if record.epoch then record.time_local = nil end
        record.level = LEVELS[record.level] or (record.level or ""):upper()
        record.method, record.path = (record.request or ""):match("^(%u+) ([^%s?]*)")
        for _, key in ipairs({ "message", "request", "upstream" }) do
            if record[key] then record[key] = without_arguments(record[key]) end
        end
    elseif record.status then
        record.level = "INFO"
        record.message = record.method .. " " .. record.path .. " " .. tostring(record.status)
        record.duration_ms = (tonumber(record.duration_s) or 0) * 1000
        record.duration_s = nil
    end
    record.process = "nginx"
end

function normalise(tag, timestamp, record)
    local source, kind = tag:match("^([^.]+)%.?(.*)$")
    if kind == "" then kind = (record.file or ""):match("([^/]+)$") or "" end
    kind = kind:match("^(%l+)") or "process"

    -- A line that no parser took is its own message.
    if record.message == nil and record.log ~= nil and record.status == nil then record.message = record.log end
    if source == "nginx" then
        from_nginx(record)
    elseif record.message and not record.host then
        split_pairs(record)  -- only JSON lines name their host
        if record.request_id == "-" then record.request_id = nil end
        record.message = record.message:gsub("\n    ", "\n")
        if record.exception then record.exception = record.exception:gsub("\n    ", "\n"):gsub("%s+$", "") end
    end

    local out, more = { source = source, kind = kind }, {}
    for key, value in pairs(record) do
        if TEXTS[key] then
            out[key] = type(value) == "string" and value or tostring(value)
        elseif NUMBERS[key] and tonumber(value) then
            out[key] = tonumber(value)
        elseif key ~= "log" and key ~= "epoch" and value ~= "" then
            more[key] = type(value) == "table" and value or tostring(value)
        end
    end
    if next(more) then out.fields = more end
    if record.epoch then return 1, record.epoch, out end
    return 2, timestamp, out  -- the time that the parser found, to the millisecond
end
