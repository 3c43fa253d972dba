module ssltape

go 1.26
