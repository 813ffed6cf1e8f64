# Ruby's regular expressions are Onigmo's, the engine that Fluent Bit uses. One job a line of JSON in, one answer out.
require "json"

# Fluent Bit writes multiline rules as "/expression/"; a parser's expression may stand without slashes.
def expression(text)
  Regexp.new(text.start_with?("/") ? text[1...text.rindex("/")] : text)
end

# Lines that belong together, by Fluent Bit's rules: from start_state on, as long as a rule of the state that is
# expected next matches. A line that begins nothing is a record of its own.
def events(rules, lines)
  compiled = rules.map { |rule| rule.merge("regex" => expression(rule["regex"])) }
  found, expected = [], nil
  lines.each do |line|
    continued = expected && compiled.find { |rule| rule["state"] == expected && rule["regex"].match?(line) }
    if continued
      found[-1] << "\n" << line
      expected = continued["next_state"]
    else
      start = compiled.find { |rule| rule["state"] == "start_state" && rule["regex"].match?(line) }
      found << line.dup
      expected = start && start["next_state"]
    end
  end
  found
end

STDIN.each_line do |job|
  job = JSON.parse(job)
  answer = if job["rules"]
    events(job["rules"], job["lines"])
  else
    regex = expression(job["regex"])
    job["lines"].map { |line| regex.match(line)&.named_captures&.reject { |_, value| value.nil? || value.empty? } }
  end
  puts JSON.generate(answer)
end
