-- Runs Fluent Bit's filter in a real Lua: arg[1] is the filter, arg[2] a file that returns a list of
-- {tag, timestamp, record}; prints one line of JSON for each: [code, timestamp, record].
dofile(arg[1])

local function quoted(text)
    return '"' .. text:gsub('[%c"\\]', function(sign) return string.format("\\u%04x", sign:byte()) end) .. '"'
end

local function json(value)
    if type(value) == "table" then
        local parts = {}
        for key, inner in pairs(value) do parts[#parts + 1] = quoted(tostring(key)) .. ":" .. json(inner) end
        return "{" .. table.concat(parts, ",") .. "}"
    end
    return type(value) == "string" and quoted(value) or (type(value) == "number" and string.format("%.17g", value))
        or tostring(value)
end

for _, each in ipairs(dofile(arg[2])) do
    local code, timestamp, record = normalise(each[1], each[2], each[3])
    print("[" .. json(code) .. "," .. json(timestamp) .. "," .. json(record) .. "]")
end
