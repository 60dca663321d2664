function(ament_export_dependencies)
endfunction()

function(ament_package)
endfunction()

option(BUILD_TESTING "as CTest" ON)

function(ament_add_test name)
  foreach(argument IN LISTS ARGN)
    if(argument MATCHES "[.]py$" AND NOT EXISTS ${argument})
      message(FATAL_ERROR "${name}: no ${argument}")
    endif()
  endforeach()
endfunction()
