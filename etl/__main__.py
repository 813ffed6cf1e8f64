from etl.jobs import app

app(prog_name="etl")
