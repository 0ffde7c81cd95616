"""What travels: messages, events, topics, headers, errors and the catalogue of cities. Depends on nothing of ours.

From top to bottom, as import-linter enforces it (pyproject.toml):

    examination          what can be wrong with a message: its steps, the rules, the schema table
    catalogue            which city offers which service at which office
    message              our message family: models, XML, what its XSD says; the header of any XÖV message
    codelists            published lists that messages and catalogue are held against
    validation_errors    pydantic's errors in our words                yamllines    YAML that knows its lines
    copies, headers      records in .retry and .deadletters, and the closed list of header names
    xml, schema_set      the one parser; the one place that validates against an XSD
    errors > findings > problems    exceptions; what is said of what is wrong; the coded kinds of errors
    events, operations, topics      what happened to a submission, what operators did, and the topics of Kafka
    din91379, moments, ids, hotline    characters, times, ids and codes as people and machines write them
"""
